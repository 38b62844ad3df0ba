INSERT INTO site (id, views, visits, peak_online, peak_at, first_beacon_at, last_beacon_at, sequence)
VALUES (:id, :views, :visits, :peak_online, :peak_at, :first_beacon_at, :last_beacon_at, :sequence)
ON CONFLICT (id) DO UPDATE SET
    views = views + excluded.views,
    visits = visits + excluded.visits,
    -- of two equal ones the earlier
    peak_at = iif(excluded.peak_online > peak_online
                  OR excluded.peak_online = peak_online AND excluded.peak_at < peak_at,
                  excluded.peak_at, peak_at),
    peak_online = max(peak_online, excluded.peak_online),
    -- min and max of two give NULL when one is: then the other stands
    first_beacon_at = coalesce(min(first_beacon_at, excluded.first_beacon_at),
                               first_beacon_at, excluded.first_beacon_at),
    last_beacon_at = coalesce(max(last_beacon_at, excluded.last_beacon_at),
                              last_beacon_at, excluded.last_beacon_at),
    sequence = excluded.sequence
RETURNING number, pages
