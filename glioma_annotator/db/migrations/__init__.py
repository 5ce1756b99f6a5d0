"""The database's schema, one numbered module per change; a module that was released is never edited."""
