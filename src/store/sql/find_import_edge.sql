SELECT views FROM import_edge WHERE site = :site AND second = :second AND stream = :stream AND secret = :secret
