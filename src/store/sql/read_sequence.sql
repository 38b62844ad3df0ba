SELECT value FROM meta WHERE name = 'sequence'
