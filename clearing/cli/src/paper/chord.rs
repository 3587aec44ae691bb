//! The obligations as a ring: one arc per brand, one ribbon for each brand that owes another.

use std::f64::consts::{FRAC_PI_2, TAU};

use partner_sdk::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::obligations::Owed;
use crate::amounts::money;

/// The ring, in units of the picture, whose middle is 0, 0.
const INNER: f64 = 150.0;
const OUTER: f64 = 164.0;
const LABEL: f64 = 176.0;

/// As many characters of a label have room beside the ring.
const LABEL_MAX: usize = 12;

/// What is left free between two arcs, in radians.
const GAP: f64 = 0.05;

/// A picture, as the paths of an SVG.
#[derive(Debug)]
pub struct Chord {
    pub arcs: Vec<Arc>,
    pub ribbons: Vec<Ribbon>,
}

/// A brand.
#[derive(Debug)]
pub struct Arc {
    /// Its place among the brands, for the colour.
    pub number: usize,
    pub path: String,
    pub label: String,
    pub x: String,
    pub y: String,
    /// How the label is anchored: "start" on the right side, "end" on the left.
    pub anchor: &'static str,
    pub title: String,
}

/// An obligation, in the colour of who owes.
#[derive(Debug)]
pub struct Ribbon {
    pub number: usize,
    pub path: String,
    pub title: String,
}

/// A part of the ring, in radians.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    from: f64,
    to: f64,
}

impl Chord {
    /// The picture of what these brands owe each other.
    pub fn of(names: &[String], obligations: &[Owed], currency: &str, minor_digits: u32) -> Self {
        let count = names.len();
        let sum =
            |of: &dyn Fn(&&Owed) -> bool| -> Decimal { obligations.iter().filter(of).map(|one| one.amount).sum() };
        let pair = |from: usize, to: usize| sum(&|one| one.issuer == names[from] && one.acceptor == names[to]);
        // A pair with more returns than redemptions owes less than nothing, and has no ribbon.
        let owed = |from: usize, to: usize| pair(from, to).to_f64().unwrap_or(0.0).max(0.0);
        let both = |of: usize| (0..count).filter(|to| *to != of).map(|to| owed(of, to) + owed(to, of)).sum::<f64>();
        let total = (0..count).map(both).sum::<f64>();
        let free = GAP * f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let unit = if total > 0.0 { (TAU - free) / total } else { 0.0 };

        let mut arcs = Vec::with_capacity(count);
        // Where the ribbon of each pair begins and where it ends.
        let mut begins = vec![vec![Span::default(); count]; count];
        let mut ends = begins.clone();
        let mut at = -FRAC_PI_2;
        for of in 0..count {
            let from = at;
            // Neighbours against the clock come first, so that no two ribbons cross without need.
            for step in 1..count {
                let other = (of + count - step) % count;
                for (span, size) in [(&mut begins[of][other], owed(of, other)), (&mut ends[other][of], owed(other, of))]
                {
                    *span = Span { from: at, to: at + size * unit };
                    at = span.to;
                }
            }
            let name = &names[of];
            let title = format!(
                "{name} owes {} and is owed {} {currency}",
                money(sum(&|one| one.issuer == *name), minor_digits),
                money(sum(&|one| one.acceptor == *name), minor_digits)
            );
            arcs.push(arc(name, of, Span { from, to: at }, title));
            at += GAP;
        }
        let mut ribbons = Vec::with_capacity(count * count);
        for from in 0..count {
            for to in (0..count).filter(|to| *to != from && owed(from, *to) > 0.0) {
                let owed = money(pair(from, to), minor_digits);
                ribbons.push(Ribbon {
                    number: from,
                    path: ribbon(begins[from][to], ends[from][to]),
                    title: format!("{} owes {} {owed} {currency}", names[from], names[to]),
                });
            }
        }
        Self { arcs, ribbons }
    }

    /// One that is owed by nobody, and one ribbon alone, is no picture.
    pub fn is_worth_a_look(&self) -> bool {
        self.ribbons.len() > 1
    }
}

fn arc(name: &str, number: usize, span: Span, title: String) -> Arc {
    let middle = f64::midpoint(span.from, span.to);
    let (x, y) = (LABEL * middle.cos(), LABEL * middle.sin());
    Arc {
        number,
        path: format!(
            "M{} A{OUTER},{OUTER} 0 {large} 1 {} L{} A{INNER},{INNER} 0 {large} 0 {} Z",
            point(OUTER, span.from),
            point(OUTER, span.to),
            point(INNER, span.to),
            point(INNER, span.from),
            large = span.large()
        ),
        label: if name.chars().count() > LABEL_MAX {
            name.chars().take(LABEL_MAX - 1).chain(['…']).collect()
        } else {
            name.to_owned()
        },
        x: format!("{x:.1}"),
        y: format!("{y:.1}"),
        anchor: if x.abs() < INNER / 4.0 {
            "middle"
        } else if x > 0.0 {
            "start"
        } else {
            "end"
        },
        title,
    }
}

/// From one part of the ring through its middle to another.
fn ribbon(begin: Span, end: Span) -> String {
    let side = |span: Span| format!("A{INNER},{INNER} 0 {} 1 {}", span.large(), point(INNER, span.to));
    format!(
        "M{} {} Q0,0 {} {} Q0,0 {} Z",
        point(INNER, begin.from),
        side(begin),
        point(INNER, end.from),
        side(end),
        point(INNER, begin.from)
    )
}

fn point(radius: f64, angle: f64) -> String {
    format!("{:.2},{:.2}", radius * angle.cos(), radius * angle.sin())
}

impl Span {
    /// Whether it is more than half of the ring, as an SVG says it.
    fn large(self) -> u8 {
        u8::from(self.to - self.from > TAU / 2.0)
    }
}
