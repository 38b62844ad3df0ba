INSERT INTO adjustment (site, figure, amount, day, page, reason, who, at, source, sequence)
VALUES (:site, :figure, :amount, :day, :page, :reason, :who, :at, :source, :sequence)
