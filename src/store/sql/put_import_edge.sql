INSERT INTO import_edge (site, second, stream, secret, views)
VALUES (:site, :second, :stream, :secret, :views)
ON CONFLICT (site, second, stream, secret) DO UPDATE SET views = excluded.views
