//! Where the sample fleet stands: regions with their jurisdictions, and real cities with their true coordinates.
//!
//! Facts only. What is made of them (groups, nodes, products, customers) stands in `fleet.rs` and `customers.rs`.

/// A city in which nodes and customers are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct City {
    /// Begins the ids of its nodes.
    pub code: &'static str,
    pub name: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
}

/// A region of the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    pub region: &'static str,
    pub name: &'static str,
    pub jurisdiction: &'static str,
    /// The weight of each group, in the order a, b, c, …
    pub group_weights: &'static [u32],
    pub cities: &'static [City],
}

impl Area {
    /// The ids of its groups.
    pub fn groups(&self) -> impl Iterator<Item = String> {
        let region = self.region;
        (b'a'..).take(self.group_weights.len()).map(move |letter| format!("{region}-{}", char::from(letter)))
    }
}

/// The region of a name.
pub fn area(region: &str) -> &'static Area {
    AREAS.iter().find(|area| area.region == region).expect("the sample fleet names its own regions")
}

const fn city(code: &'static str, name: &'static str, country: &'static str, latitude: f64, longitude: f64) -> City {
    City { code, name, country, latitude, longitude }
}

/// All regions.
pub const AREAS: &[Area] = &[
    Area {
        region: "eu-west",
        name: "Western Europe",
        jurisdiction: "EU",
        group_weights: &[100, 100, 150, 80],
        cities: &[
            city("ams", "Amsterdam", "NL", 52.3676, 4.9041),
            city("bru", "Brussels", "BE", 50.8503, 4.3517),
            city("par", "Paris", "FR", 48.8566, 2.3522),
            city("dub", "Dublin", "IE", 53.3498, -6.2603),
            city("mad", "Madrid", "ES", 40.4168, -3.7038),
            city("lis", "Lisbon", "PT", 38.7223, -9.1393),
        ],
    },
    Area {
        region: "eu-central",
        name: "Central Europe",
        jurisdiction: "EU",
        group_weights: &[150, 150, 100, 100],
        cities: &[
            city("fra", "Frankfurt", "DE", 50.1109, 8.6821),
            city("muc", "Munich", "DE", 48.1351, 11.5820),
            city("vie", "Vienna", "AT", 48.2082, 16.3738),
            city("prg", "Prague", "CZ", 50.0755, 14.4378),
            city("waw", "Warsaw", "PL", 52.2297, 21.0122),
            city("mil", "Milan", "IT", 45.4642, 9.1900),
        ],
    },
    Area {
        region: "eu-north",
        name: "Northern Europe",
        jurisdiction: "EU",
        group_weights: &[100, 80, 60],
        cities: &[
            city("sto", "Stockholm", "SE", 59.3293, 18.0686),
            city("hel", "Helsinki", "FI", 60.1699, 24.9384),
            city("cph", "Copenhagen", "DK", 55.6761, 12.5683),
            city("rix", "Riga", "LV", 56.9496, 24.1052),
        ],
    },
    Area {
        region: "uk",
        name: "United Kingdom",
        jurisdiction: "UK",
        group_weights: &[150, 100, 60],
        cities: &[
            city("lon", "London", "GB", 51.5074, -0.1278),
            city("man", "Manchester", "GB", 53.4808, -2.2426),
            city("edi", "Edinburgh", "GB", 55.9533, -3.1883),
        ],
    },
    Area {
        region: "us-east",
        name: "United States, East",
        jurisdiction: "US",
        group_weights: &[200, 200, 100, 100],
        cities: &[
            city("iad", "Ashburn", "US", 39.0438, -77.4874),
            city("nyc", "New York", "US", 40.7128, -74.0060),
            city("atl", "Atlanta", "US", 33.7490, -84.3880),
            city("mia", "Miami", "US", 25.7617, -80.1918),
            city("chi", "Chicago", "US", 41.8781, -87.6298),
        ],
    },
    Area {
        region: "us-west",
        name: "United States, West",
        jurisdiction: "US",
        group_weights: &[150, 150, 100, 80],
        cities: &[
            city("lax", "Los Angeles", "US", 34.0522, -118.2437),
            city("sjc", "San Jose", "US", 37.3382, -121.8863),
            city("sea", "Seattle", "US", 47.6062, -122.3321),
            city("dfw", "Dallas", "US", 32.7767, -96.7970),
            city("den", "Denver", "US", 39.7392, -104.9903),
        ],
    },
    Area {
        region: "ca",
        name: "Canada",
        jurisdiction: "CA",
        group_weights: &[100, 80],
        cities: &[
            city("yyz", "Toronto", "CA", 43.6532, -79.3832),
            city("yul", "Montreal", "CA", 45.5017, -73.5673),
            city("yvr", "Vancouver", "CA", 49.2827, -123.1207),
        ],
    },
    Area {
        region: "br",
        name: "Brazil",
        jurisdiction: "BR",
        group_weights: &[100, 100, 60],
        cities: &[
            city("gru", "São Paulo", "BR", -23.5505, -46.6333),
            city("gig", "Rio de Janeiro", "BR", -22.9068, -43.1729),
            city("for", "Fortaleza", "BR", -3.7319, -38.5267),
        ],
    },
    Area {
        region: "in",
        name: "India",
        jurisdiction: "IN",
        group_weights: &[150, 100, 100],
        cities: &[
            city("bom", "Mumbai", "IN", 19.0760, 72.8777),
            city("maa", "Chennai", "IN", 13.0827, 80.2707),
            city("del", "Delhi", "IN", 28.7041, 77.1025),
        ],
    },
    Area {
        region: "sg",
        name: "Singapore",
        jurisdiction: "SG",
        group_weights: &[100, 100, 100],
        cities: &[city("sin", "Singapore", "SG", 1.3521, 103.8198)],
    },
    Area {
        region: "jp",
        name: "Japan",
        jurisdiction: "JP",
        group_weights: &[100, 100, 80],
        cities: &[city("tyo", "Tokyo", "JP", 35.6762, 139.6503), city("osa", "Osaka", "JP", 34.6937, 135.5023)],
    },
    Area {
        region: "au",
        name: "Australia",
        jurisdiction: "AU",
        group_weights: &[100, 60],
        cities: &[
            city("syd", "Sydney", "AU", -33.8688, 151.2093),
            city("mel", "Melbourne", "AU", -37.8136, 144.9631),
            city("per", "Perth", "AU", -31.9505, 115.8605),
        ],
    },
    Area {
        region: "za",
        name: "South Africa",
        jurisdiction: "ZA",
        group_weights: &[80, 60],
        cities: &[
            city("jnb", "Johannesburg", "ZA", -26.2041, 28.0473),
            city("cpt", "Cape Town", "ZA", -33.9249, 18.4241),
        ],
    },
];

/// The region that the tour adds.
pub const ADDED: Area = Area {
    region: "nz",
    name: "New Zealand",
    jurisdiction: "NZ",
    group_weights: &[60],
    cities: &[city("akl", "Auckland", "NZ", -36.8509, 174.7645), city("wlg", "Wellington", "NZ", -41.2866, 174.7756)],
};
