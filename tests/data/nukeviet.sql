-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
--
-- A small sample in the shape of NukeViet's counter; the numbers are made up.

DROP TABLE IF EXISTS `nv4_counter`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `nv4_counter` (
  `c_type` varchar(100) COLLATE utf8mb4_unicode_ci NOT NULL,
  `c_val` varchar(100) COLLATE utf8mb4_unicode_ci NOT NULL,
  `last_update` int(11) NOT NULL DEFAULT '0',
  `c_count` int(11) unsigned NOT NULL DEFAULT '0',
  `vi_count` int(11) unsigned NOT NULL DEFAULT '0',
  UNIQUE KEY `c_type` (`c_type`,`c_val`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

LOCK TABLES `nv4_counter` WRITE;
/*!40000 ALTER TABLE `nv4_counter` DISABLE KEYS */;
INSERT INTO `nv4_counter` VALUES ('c_time','start',0,0,0),('c_time','last',0,1795280405,0),('total','hits',1795280405,1333796,1333796),('year','2025',1767200000,700000,700000),('year','2026',1795280405,633796,633796),('year','2027',0,0,0),('month','Jan',1795280405,50000,50000),('month','Feb',1795280405,50000,50000),('month','Mar',1795280405,50000,50000),('month','Apr',1795280405,50000,50000),('month','May',1795280405,50000,50000),('month','Jun',1795280405,50000,50000),('month','Jul',1795280405,50000,50000),('month','Aug',1795280405,50000,50000),('month','Sep',1795280405,50000,50000),('month','Oct',1795280405,60000,60000),('month','Nov',1795280405,1094,1094),('month','Dec',0,0,0),('day','01',1793546000,310,310),('day','02',1793632400,287,287),('day','03',0,0,0),('day','04',0,0,0),('day','05',0,0,0),('day','06',0,0,0),('day','07',0,0,0),('day','08',0,0,0),('day','09',0,0,0),('day','10',0,0,0),('day','11',0,0,0),('day','12',0,0,0),('day','13',0,0,0),('day','14',0,0,0),('day','15',0,0,0),('day','16',0,0,0),('day','17',0,0,0),('day','18',0,0,0),('day','19',0,0,0),('day','20',0,0,0),('day','21',1795274000,402,402),('day','22',1795280405,95,95),('day','23',0,0,0),('day','24',0,0,0),('day','25',0,0,0),('day','26',0,0,0),('day','27',0,0,0),('day','28',0,0,0),('day','29',0,0,0),('day','30',0,0,0),('day','31',0,0,0),('dayofweek','Sunday',1795280405,190000,190000),('hour','00',1795280405,95,95),('browser','chrome',1795280405,900000,900000),('country','VN',1795280405,1200000,1200000),('bot','googlebot',1795280405,0,0);
/*!40000 ALTER TABLE `nv4_counter` ENABLE KEYS */;
UNLOCK TABLES;

-- Dump completed on 2026-11-22  0:10:00
