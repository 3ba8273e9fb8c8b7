"""The command line: one file per family of verbs. Importing it loads no torch; commands do so."""
