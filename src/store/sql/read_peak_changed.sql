SELECT peak_online, peak_at
FROM site
WHERE id = :id AND sequence > :since AND peak_online > 0
