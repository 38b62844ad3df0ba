//! The image as a png, for places that take no svg: forums, old programs, some mail.
//!
//! The very svg is drawn, in its light colours and standing still, with letters of two bundled faces
//! (`fonts/`: Latin with Vietnamese, Cyrillic). Only when a text needs another script are the system's
//! fonts looked for, once; a letter that none of them has is left out. Drawing takes milliseconds.

use std::sync::{Arc, LazyLock, OnceLock};

use fontdb::{Database, FaceInfo, ID, Source, Style};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{FontResolver, Options, Tree};
use skrifa::{FontRef, MetadataProvider};

use super::view::View;
use super::{Format, svg};
use crate::words::Numbers;

pub(super) static FORMAT: Format = Format {
    extension: "png",
    content_type: "image/png",
    policy: "default-src 'none'",
    slow: true,
    needs: None,
    counts: |_| true,
    render,
};

fn render(numbers: &Numbers, view: &View) -> Vec<u8> {
    draw(&svg::render(numbers, view), view.scale)
}

/// Draws an svg of ours, `scale` pixels for each of its own.
pub(super) fn draw(svg: &[u8], scale: u8) -> Vec<u8> {
    let tree = Tree::from_data(svg, &OPTIONS).expect("what this room writes is svg, for any text");
    let scale = f32::from(scale);
    let size = tree.size().to_int_size().scale_by(scale).expect("a card has a size, and it is bounded");
    let mut pixels = Pixmap::new(size.width(), size.height()).expect("a card has a size, and it is bounded");
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().expect("memory takes it")
}

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    let mut load = |face: &'static [u8]| fonts.load_font_source(Source::Binary(Arc::new(face)))[0];
    let regular = load(include_bytes!("fonts/NotoSans-Regular.ttf"));
    let bold = load(include_bytes!("fonts/NotoSans-Bold.ttf"));
    Options {
        fontdb: Arc::new(fonts),
        font_resolver: FontResolver {
            select_font: Box::new(move |font, _| Some(if font.weight() < 600 { regular } else { bold })),
            select_fallback: Box::new(|c, tried, fonts| {
                let system = SYSTEM.get_or_init(|| SystemFonts::find(fonts));
                let face = system.covering(c).filter(|face| !tried.contains(face))?;
                *fonts = Arc::clone(&system.fonts);
                Some(face)
            }),
        },
        ..Options::default()
    }
});

static SYSTEM: OnceLock<SystemFonts> = OnceLock::new();

/// The faces of this machine, and which of them has a letter.
struct SystemFonts {
    /// The bundled faces, under the names that they had before, and those of the system.
    fonts: Arc<Database>,
    faces: Vec<ID>,
    /// For each character the face that has it, counted from 1; 0 for none.
    covered_by: Vec<u16>,
}

/// The planes of Unicode in which living scripts and pictographs lie: 256 KiB of table.
const CHARS_MAX: usize = 0x2_0000;
/// More faces than any machine needs; the rest is not looked at.
const FACES_MAX: usize = 8_192;

impl SystemFonts {
    fn find(bundled: &Database) -> SystemFonts {
        let mut fonts = bundled.clone();
        fonts.load_system_fonts();
        let mut faces: Vec<&FaceInfo> =
            fonts.faces().filter(|face| bundled.face(face.id).is_none()).collect();
        faces.sort_by_key(|face| rank(face));
        let faces: Vec<ID> = faces.into_iter().take(FACES_MAX).map(|face| face.id).collect();
        let mut covered_by = vec![0; CHARS_MAX];
        for (number, face) in (1_u16..).zip(&faces) {
            fonts.with_face_data(*face, |data, index| cover(&mut covered_by, number, data, index));
        }
        SystemFonts { fonts: Arc::new(fonts), faces, covered_by }
    }

    fn covering(&self, c: char) -> Option<ID> {
        let number = self.covered_by.get(usize::try_from(u32::from(c)).ok()?)?;
        self.faces.get(usize::from(number.checked_sub(1)?)).copied()
    }
}

/// Upright faces of ordinary weight come first, and of those the ones without serifs.
fn rank(face: &FaceInfo) -> (bool, u16, bool, bool, String) {
    let family = face.families.first().map_or("", |(family, _)| family).to_owned();
    let is_upright = face.style == Style::Normal;
    (!is_upright, face.weight.0.abs_diff(400), face.monospaced, !family.contains("Sans"), family)
}

/// Notes the characters of a face that no face before it has.
fn cover(covered_by: &mut [u16], number: u16, data: &[u8], index: u32) {
    let Ok(font) = FontRef::from_index(data, index) else { return };
    for (code, _) in font.charmap().mappings() {
        let place = usize::try_from(code).ok().and_then(|code| covered_by.get_mut(code));
        if let Some(place) = place.filter(|place| **place == 0) {
            *place = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{numbers, view};
    use super::*;

    fn pixels(query: &[(&str, &str)]) -> Pixmap {
        Pixmap::decode_png(&render(&numbers(), &view(query))).expect("is a png")
    }

    #[test]
    fn it_is_as_large_as_the_svg_times_the_scale() {
        let (once, twice) = (pixels(&[]), pixels(&[("scale", "2")]));
        assert_eq!((once.width(), once.height()), (279, 72));
        assert_eq!((twice.width(), twice.height()), (558, 144));
    }

    #[test]
    fn it_has_letters_and_light_colours() {
        for style in ["plain", "table", "odometer"] {
            let pixels = pixels(&[("style", style)]);
            let dark =
                pixels.pixels().iter().filter(|pixel| pixel.alpha() == 255 && pixel.red() < 100).count();
            let light =
                pixels.pixels().iter().filter(|pixel| pixel.alpha() == 255 && pixel.red() > 240).count();
            assert!(dark > 300 && light > dark, "{style}: {dark} dark and {light} light pixels");
        }
    }

    #[test]
    fn the_bundled_faces_have_every_letter_of_the_languages_that_they_are_for() {
        let letters = "ăâđêôơưĂÂĐÊÔƠƯáàảãạắằẳẵặấầẩẫậéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ\
                       äöüßéèêëçñáíóúãõâàùûîïœæåøłžščřěůőűğışАБВГДЕЁЖабвгдеёжэюя0123456789.,:;–—’…●\u{a0}\u{202f}";
        for face in
            [&include_bytes!("fonts/NotoSans-Regular.ttf")[..], include_bytes!("fonts/NotoSans-Bold.ttf")]
        {
            let charmap = FontRef::new(face).expect("is a font");
            for c in letters.chars() {
                assert!(charmap.charmap().map(c).is_some_and(|glyph| glyph.to_u32() != 0), "{c:?}");
            }
        }
    }

    #[test]
    fn a_letter_that_no_font_has_does_no_harm() {
        let site = super::super::tests::site(crate::sites::LanguageChoice::Auto);
        let label = [("label", "\u{10ffff}\u{e000}ไทย 访问 مرحبا 👋")];
        let badge = super::super::Badge::parse(label, &site, None).expect("a good query");
        let format = super::super::badge("png").expect("is in the table");
        assert!((format.render)(&numbers(), &badge).starts_with(b"\x89PNG"));
    }
}
