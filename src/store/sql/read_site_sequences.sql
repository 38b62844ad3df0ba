SELECT id, sequence FROM site
