"""State in a database: SQLite on a laptop, PostgreSQL on a cluster."""
