INSERT INTO detail_day (site, day, dimension, value, views, visits, sequence)
VALUES (:site, :day, :dimension, :value, :views, :visits, :sequence)
