UPDATE meta SET value = max(value, :to) WHERE name = 'sequence'
