//! Scopes of tokens, and what a request can need. Deny by default: a need that no scope meets is refused.
//!
//! `read` is every GET but tokens, so it meets the need of `resolve`; `admin` meets every need; `write` does not read.

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Resolution and ownership of instances.
    Resolve,
    /// Every GET but tokens.
    Read,
    /// Master data, import, plans.
    Write,
    /// Reports of one reporter.
    Report,
    /// Everything.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: &[Self] = &[Self::Resolve, Self::Read, Self::Write, Self::Report, Self::Admin];

    /// The spelling in bodies and tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Read => "read",
            Self::Write => "write",
            Self::Report => "report",
            Self::Admin => "admin",
        }
    }

    /// The scope of this spelling.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.code() == code)
    }

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether the scope is among them.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether they meet a need.
    pub fn meet(self, need: Need) -> bool {
        self.contains(Scope::Admin)
            || match need {
                Need::Nothing => true,
                Need::Resolve => self.contains(Scope::Resolve) || self.contains(Scope::Read),
                Need::Read | Need::ReadUnlessLoopback => self.contains(Scope::Read),
                Need::Write => self.contains(Scope::Write),
                Need::Report => self.contains(Scope::Report),
                Need::Admin => false,
            }
    }

    /// The spellings, in a fixed order.
    pub fn codes(self) -> Vec<String> {
        Scope::ALL.iter().filter(|scope| self.contains(**scope)).map(|scope| scope.code().to_owned()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// No token at all.
    Nothing,
    /// No token from this machine, `read` from elsewhere.
    ReadUnlessLoopback,
    Resolve,
    Read,
    Write,
    Report,
    Admin,
}

impl Need {
    /// The least scope that meets it; `None` when a token is not asked for.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Nothing => None,
            Self::Resolve => Some(Scope::Resolve),
            Self::Read | Self::ReadUnlessLoopback => Some(Scope::Read),
            Self::Write => Some(Scope::Write),
            Self::Report => Some(Scope::Report),
            Self::Admin => Some(Scope::Admin),
        }
    }
}
