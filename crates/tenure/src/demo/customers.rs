//! The customers of the sample fleet: service instances of every product, near real cities, most of them active.
//!
//! Drawn from one seed, so that every demo shows the same; creation and expiry are fixed dates for the same reason.

use std::io::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use super::places::{AREAS, Area, City, area};

/// How often a product is bought, in permille, and where its customers live.
const MIX: &[(&str, u32, &[&str])] = &[
    ("basic", 300, &["eu-west", "eu-central"]),
    ("plus", 220, &["us-east", "us-west"]),
    ("premium", 150, &[]),
    ("business", 80, &[]),
    ("pacific", 80, &["in", "sg", "jp", "au"]),
    ("north", 60, &["eu-north", "uk"]),
    ("americas", 60, &["ca", "br"]),
    ("mirror", 20, &[]),
    ("dns", 30, &[]),
];

/// Degrees around a city in which its customers live: a hundred kilometres or so.
const AROUND: f64 = 1.0;

/// The customers, one after the other.
pub struct Customers {
    random: StdRng,
    made: u32,
}

impl Customers {
    /// Customers from a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), made: 0 }
    }

    /// The next `number` of them, as the lines of an import.
    pub fn lines(&mut self, number: u32) -> Vec<u8> {
        let mut lines = Vec::with_capacity(number as usize * 192);
        for _ in 0..number {
            let row = Value::Object(self.next());
            writeln!(lines, "{row}").expect("memory takes what is written");
        }
        lines
    }

    fn next(&mut self) -> Map<String, Value> {
        self.made += 1;
        let product = self.product();
        let regions = MIX.iter().find(|(name, ..)| *name == product).map_or(&[][..], |(_, _, regions)| regions);
        let area = self.area(regions);
        let city = area.cities[self.below(area.cities.len())];
        let mut row = Map::new();
        row.insert("id".to_owned(), id(self.made).into());
        row.insert("product".to_owned(), product.into());
        row.insert("created".to_owned(), self.created().into());
        if let Some(jurisdiction) = self.jurisdiction(product, area) {
            row.insert("jurisdiction".to_owned(), jurisdiction.into());
        }
        if self.below(10) < 8 {
            row.insert("location".to_owned(), self.near(&city));
        }
        if product == "business" {
            row.insert("weight".to_owned(), [2, 4, 8][self.below(3)].into());
            row.insert("labels".to_owned(), json!({"account": format!("company-{:03}", self.made % 400)}));
        }
        self.end(&mut row);
        row
    }

    fn product(&mut self) -> &'static str {
        let mut drawn = self.random.random_range(0..MIX.iter().map(|(_, share, _)| share).sum::<u32>());
        for (name, share, _) in MIX {
            match drawn.checked_sub(*share) {
                Some(rest) => drawn = rest,
                None => return name,
            }
        }
        MIX[0].0
    }

    fn area(&mut self, regions: &[&str]) -> &'static Area {
        match regions.len() {
            0 => &AREAS[self.below(AREAS.len())],
            some => area(regions[self.below(some)]),
        }
    }

    /// Half of the worldwide customers, and most others, have data that must stay where they live.
    fn jurisdiction(&mut self, product: &str, area: &Area) -> Option<&'static str> {
        let is_bound = match product {
            "premium" | "business" | "mirror" | "dns" => self.below(2) == 0,
            _ => self.below(10) < 7,
        };
        is_bound.then_some(area.jurisdiction)
    }

    fn created(&mut self) -> String {
        let (year, month, day) = (2023 + self.below(3), 1 + self.below(12), 1 + self.below(28));
        format!("{year}-{month:02}-{day:02}T{:02}:{:02}:00Z", self.below(24), self.below(60))
    }

    fn near(&mut self, city: &City) -> Value {
        let mut shifted = |degrees: f64| {
            let shifted = degrees + self.random.random_range(-AROUND..AROUND);
            (shifted * 10_000.0).round() / 10_000.0
        };
        let (latitude, longitude) = (shifted(city.latitude), shifted(city.longitude));
        json!({"latitude": latitude, "longitude": longitude})
    }

    /// A few are suspended, expired or gone; some have paid ahead.
    fn end(&mut self, row: &mut Map<String, Value>) {
        match self.below(200) {
            0..2 => {
                row.insert("status".to_owned(), "suspended".into());
            }
            2..4 => {
                row.insert("expires".to_owned(), "2026-01-01T00:00:00Z".into());
            }
            4 => {
                row.insert("status".to_owned(), "terminated".into());
            }
            5..60 => {
                row.insert("expires".to_owned(), "2036-01-01T00:00:00Z".into());
            }
            _ => {}
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }
}

/// The id of the customer of this number, from 1.
pub fn id(number: u32) -> String {
    format!("acct-{number:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_the_same_customers_in_any_portions() {
        let whole = Customers::new(7).lines(300);
        let mut customers = Customers::new(7);
        let mut parts = customers.lines(120);
        parts.extend(customers.lines(180));
        assert_eq!(whole, parts);
        assert_ne!(whole, Customers::new(8).lines(300));
    }

    #[test]
    fn every_product_and_every_ending_occurs() {
        let text = String::from_utf8(Customers::new(1).lines(5_000)).expect("text");
        for (product, ..) in MIX {
            assert!(text.contains(&format!("\"product\":\"{product}\"")), "{product}");
        }
        for ending in ["suspended", "terminated", "2026-01-01", "2036-01-01"] {
            assert!(text.contains(ending), "{ending}");
        }
        let now = domain::time::Micros(0);
        let fault =
            text.lines().zip(1u64..).find_map(|(line, at)| wire::manifest::parse_import_row(line, at, now).err());
        assert!(fault.is_none(), "{fault:?}");
    }
}
