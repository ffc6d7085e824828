"""The kinds of files that hold a table, a module each."""
