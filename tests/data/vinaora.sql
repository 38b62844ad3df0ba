-- phpMyAdmin SQL Dump
-- A small sample in the shape of Vinaora Visitors Counter's tables; the numbers are made up.

SET SQL_MODE="NO_AUTO_VALUE_ON_ZERO";

CREATE TABLE IF NOT EXISTS `jos_content` (
  `id` int(11) NOT NULL,
  `introtext` mediumtext NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8;

INSERT INTO `jos_content` (`id`, `introtext`) VALUES
(1, '<p>It''s a page; with \'quotes\', (brackets) and INSERT INTO `jos_vvisit_counter` VALUES (1,1,1,1,1);</p>');

CREATE TABLE IF NOT EXISTS `jos_vvisitcounter` (
  `id` int(11) unsigned NOT NULL AUTO_INCREMENT,
  `tm` int(11) NOT NULL,
  `ip` varchar(16) NOT NULL DEFAULT '0.0.0.0',
  PRIMARY KEY (`id`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8;

INSERT INTO `jos_vvisitcounter` (`id`, `tm`, `ip`) VALUES
(1, 1257613199, '203.0.113.7'),
(2, 1257613200, '203.0.113.8');

CREATE TABLE IF NOT EXISTS `jos_vvisit_counter` (
  `time` int(10) unsigned NOT NULL,
  `visits` mediumint(8) unsigned NOT NULL DEFAULT '0',
  `guests` mediumint(8) unsigned NOT NULL DEFAULT '0',
  `bots` mediumint(8) unsigned NOT NULL DEFAULT '0',
  `members` mediumint(8) unsigned NOT NULL DEFAULT '0',
  PRIMARY KEY (`time`),
  UNIQUE KEY `time` (`time`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8;

INSERT INTO `jos_vvisit_counter` VALUES
(0, 1000, 1000, 0, 0),
(1335805200, 12, 10, 2, 0),
(1335806100, 20, 15, 4, 1),
(1335891600, 23, 22, 1, 0),
(1335892500, 5, 5, 0, 0);
