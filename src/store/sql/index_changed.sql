CREATE INDEX IF NOT EXISTS page_changed ON page (site, sequence);
CREATE INDEX IF NOT EXISTS page_day_changed ON page_day (site, sequence);
CREATE INDEX IF NOT EXISTS detail_day_changed ON detail_day (site, sequence);
