"""The store: connection, migrations, repositories."""
