"""Storage: the store's interface, SQLite, its schema, statistics and exports."""
