INSERT INTO meta (name, value) VALUES ('node', :node)
