"""The store: SQLite, its schema, statistics and exports."""
