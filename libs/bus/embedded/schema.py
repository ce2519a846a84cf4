"""The tables of the embedded bus, and how SQLite is set up for it."""

SCHEMA_VERSION = 1

# The page size fits one small message (4 KB) and its row; it and auto_vacuum count only before the first table is made.
PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = MEMORY",
    # Some builds overwrite deleted rows with zeros, which doubles the cost of a message.
    "PRAGMA secure_delete = OFF",
)

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, mark INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS subscriptions (group_name TEXT, event TEXT, PRIMARY KEY (group_name, event)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delayed (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, due REAL NOT NULL,
    first_seen REAL NOT NULL, attempts INTEGER NOT NULL, headers TEXT, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS delayed_by_due ON delayed (due);
CREATE TABLE IF NOT EXISTS dead (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, reason TEXT NOT NULL, died_at REAL NOT NULL,
    attempts INTEGER NOT NULL, headers TEXT, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS alone (queue INTEGER PRIMARY KEY, id INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS dead_by_queue ON dead (queue, id);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

QUEUE_TABLE = """
CREATE TABLE IF NOT EXISTS queue_{id} (
    id INTEGER PRIMARY KEY, first_seen REAL NOT NULL, attempts INTEGER NOT NULL, returned INTEGER NOT NULL,
    headers TEXT, body BLOB NOT NULL
)
"""
