//! The badge as a png, for places that take no svg.

use super::super::picture::draw;
use super::{Badge, Format, svg};
use crate::words::Numbers;

pub(super) static FORMAT: Format<Badge> = Format {
    extension: "png",
    content_type: "image/png",
    policy: "default-src 'none'",
    slow: true,
    needs: None,
    counts: |_| true,
    render,
};

fn render(numbers: &Numbers, badge: &Badge) -> Vec<u8> {
    draw(&svg::render(numbers, badge), badge.view.scale)
}
