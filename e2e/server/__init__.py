"""The cases of servers, a family in `test_<family>*.py`; `scripts/verify --list` prints file and line."""
