//! How far off is the number of a day's visitors?
//!
//! [`Sketch`] beside the crate `hyperloglog` at the error it was asked for, 0.81 %: the root mean
//! square of the relative error over 20 seeds, and the worst of them.
//!
//! Worrying: more than 1 % anywhere.
//!
//! `cargo bench --bench sketch`
#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]

use headcount::rows::Sketch;
use headcount::words::VisitorId;
use hyperloglog::HyperLogLog;

const SEEDS: u64 = 20;
const DISTINCT: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// What both are asked for.
const NOMINAL: f64 = 0.0081;

fn main() {
    println!(
        "{:>9} {:>16} {:>8} {:>20} {:>8} {:>12}",
        "distinct", "headcount RMS", "worst", "hyperloglog RMS", "worst", "stored bytes"
    );
    for distinct in DISTINCT {
        let (mut ours, mut theirs, mut bytes) = (Vec::new(), Vec::new(), 0);
        for seed in 0..SEEDS {
            let mut sketch = Sketch::default();
            let mut other = HyperLogLog::new_deterministic(NOMINAL, u128::from(seed));
            for n in 0..u64::from(distinct) {
                let visitor = spread((seed << 32) + n);
                sketch.insert(VisitorId(visitor));
                other.insert(&visitor);
            }
            let count = f64::from(u32::try_from(sketch.count()).unwrap_or(u32::MAX));
            ours.push(count / f64::from(distinct) - 1.0);
            theirs.push(other.len() / f64::from(distinct) - 1.0);
            bytes = bytes.max(sketch.to_bytes().len());
        }
        let ((ours, ours_worst), (theirs, theirs_worst)) = (summary(&ours), summary(&theirs));
        println!(
            "{distinct:>9} {ours:>14.2} % {ours_worst:>6.2} % {theirs:>18.2} % {theirs_worst:>6.2} % {bytes:>12}"
        );
    }
}

/// Root mean square and worst of relative errors, in per cent.
fn summary(errors: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(errors.len()).unwrap_or(u32::MAX));
    let square = errors.iter().map(|error| error * error).sum::<f64>() / count;
    let worst = errors.iter().fold(0.0_f64, |worst, error| worst.max(error.abs()));
    (square.sqrt() * 100.0, worst * 100.0)
}

/// splitmix64, the finaliser by Vigna: a number that is as evenly spread as a keyed hash.
fn spread(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
