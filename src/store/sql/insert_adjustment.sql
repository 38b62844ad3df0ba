INSERT INTO adjustment (site, figure, amount, day, reason, who, at, sequence)
VALUES (:site, :figure, :amount, :day, :reason, :who, :at, :sequence)
