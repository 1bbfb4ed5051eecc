//! Many rows in one statement, in the form that is fast on each engine.
//!
//! SQLite takes rows of plain `?` (`$n` is 36 times slower there); PostgreSQL takes one array literal for each column,
//! since the driver binds no arrays. Both were measured against one statement for each row and against each other.
//! A statement reads its rows from `{source}`; further parameters, `$1` …, stand after it, each once, in order.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

use crate::dialect::Engine;
use crate::error::{Result, during};

/// The type of a column of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Text,
    Integer,
}

/// A value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Integer(i64),
    Null,
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Cell<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A statement over many rows.
pub(crate) struct Bulk {
    /// What it does, for errors.
    pub during: &'static str,
    /// The text, with `{source}` once.
    pub sql: &'static str,
    /// The columns of the source.
    pub columns: &'static [ColumnType],
}

/// Rows in one SQLite statement: each size is prepared once and kept, so few sizes must serve every number of rows.
/// 512 is where more rows gain nothing; 14 columns of it stay far below SQLite's 32,766 parameters.
const SQLITE_SIZES: [usize; 4] = [512, 64, 8, 1];

/// Twenty thousand rows in one PostgreSQL statement: more gain nothing and only hold more text.
const POSTGRES_ROWS: usize = 20_000;

impl Bulk {
    /// Runs the statement over all rows, given one after another, and says how many rows it changed.
    ///
    /// SQLite works on a thread of its own: while it runs one part, the parameters of the next are made here.
    pub(crate) async fn execute(
        &self,
        engine: Engine,
        connection: &mut AnyConnection,
        cells: &[Cell<'_>],
        scalars: &[Cell<'_>],
    ) -> Result<u64> {
        let mut parts = self.parts(engine, cells).into_iter().map(|part| self.query(engine, part, scalars));
        let (mut changed, mut next) = (0, parts.next());
        while let Some(query) = next {
            let (done, following) = futures::join!(query.execute(&mut *connection), async { parts.next() });
            changed += done.map_err(during(self.during))?.rows_affected();
            next = following;
        }
        Ok(changed)
    }

    /// Runs the statement over all rows and gathers what it returns, in no order.
    pub(crate) async fn fetch(
        &self,
        engine: Engine,
        connection: &mut AnyConnection,
        cells: &[Cell<'_>],
        scalars: &[Cell<'_>],
    ) -> Result<Vec<AnyRow>> {
        let mut rows = Vec::new();
        for part in self.parts(engine, cells) {
            let found = self.query(engine, part, scalars).fetch_all(&mut *connection).await;
            rows.append(&mut found.map_err(during(self.during))?);
        }
        Ok(rows)
    }

    /// The rows, cut to the sizes that the engine takes.
    fn parts<'c, 'a>(&self, engine: Engine, cells: &'c [Cell<'a>]) -> Vec<&'c [Cell<'a>]> {
        let width = self.columns.len();
        debug_assert_eq!(cells.len() % width, 0, "whole rows");
        if engine == Engine::Postgres {
            return cells.chunks(POSTGRES_ROWS * width).collect();
        }
        let (mut parts, mut rest) = (Vec::new(), cells);
        for size in SQLITE_SIZES {
            while rest.len() >= size * width {
                let (part, after) = rest.split_at(size * width);
                parts.push(part);
                rest = after;
            }
        }
        parts
    }

    fn query<'q>(&self, engine: Engine, cells: &[Cell<'_>], scalars: &[Cell<'_>]) -> Query<'q, Any, AnyArguments> {
        match engine {
            Engine::Sqlite => self.sqlite(cells, scalars),
            Engine::Postgres => self.postgres(cells, scalars),
        }
    }

    fn sqlite<'q>(&self, cells: &[Cell<'_>], scalars: &[Cell<'_>]) -> Query<'q, Any, AnyArguments> {
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        let source = format!("VALUES {}", vec![row; cells.len() / self.columns.len()].join(","));
        let mut text = self.sql.to_owned();
        for number in 1..=scalars.len() {
            text = text.replacen(&format!("${number}"), "?", 1);
        }
        let text = text.replacen("{source}", &source, 1);
        cells.iter().chain(scalars).fold(sqlx::query(AssertSqlSafe(text)), |query, cell| bind(query, *cell))
    }

    fn postgres<'q>(&self, cells: &[Cell<'_>], scalars: &[Cell<'_>]) -> Query<'q, Any, AnyArguments> {
        let width = self.columns.len();
        let casts: Vec<String> = self.columns.iter().zip(1..).map(|(column, number)| cast(*column, number)).collect();
        let mut text = self.sql.to_owned();
        for number in 1..=scalars.len() {
            // `$1` becomes `$ 4`, so that the next round does not find it again; the blank goes at the end.
            text = text.replacen(&format!("${number}"), &format!("$ {}", width + number), 1);
        }
        let source = format!("SELECT * FROM UNNEST({}) AS unnested", casts.join(", "));
        let text = text.replace("$ ", "$").replacen("{source}", &source, 1);
        let mut query = sqlx::query(AssertSqlSafe(text));
        for at in 0..width {
            query = query.bind(array_literal(cells.iter().skip(at).step_by(width)));
        }
        scalars.iter().fold(query, |query, cell| bind(query, *cell))
    }
}

fn bind<'q>(query: Query<'q, Any, AnyArguments>, cell: Cell<'_>) -> Query<'q, Any, AnyArguments> {
    match cell {
        Cell::Text(text) => query.bind(text.to_owned()),
        Cell::Integer(number) => query.bind(number),
        Cell::Null => query.bind(Option::<i64>::None),
    }
}

fn cast(column: ColumnType, number: usize) -> String {
    match column {
        ColumnType::Text => format!("(${number}::text)::text[]"),
        ColumnType::Integer => format!("(${number}::text)::bigint[]"),
    }
}

/// A column as the text of an array: the one place where values become text.
fn array_literal<'c, 'a: 'c>(cells: impl Iterator<Item = &'c Cell<'a>>) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("{");
    for cell in cells {
        if out.len() > 1 {
            out.push(',');
        }
        match cell {
            Cell::Null => out.push_str("NULL"),
            Cell::Integer(number) => write!(out, "{number}").expect("writing to a string succeeds"),
            Cell::Text(text) => {
                out.push('"');
                for c in text.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_literal_escapes_what_would_end_it() {
        let cells = [Cell::Text("a\"b\\c,{d}"), Cell::Null, Cell::Text("NULL"), Cell::Text("")];
        assert_eq!(array_literal(cells.iter()), r#"{"a\"b\\c,{d}",NULL,"NULL",""}"#);
        assert_eq!(array_literal([Cell::Integer(-5), Cell::Integer(7)].iter()), "{-5,7}");
    }

    #[test]
    fn few_sizes_serve_any_number_of_rows() {
        let bulk = Bulk { during: "", sql: "{source}", columns: &[ColumnType::Integer] };
        let cells = vec![Cell::Integer(0); 512 + 64 + 8 + 8 + 3];
        let sizes: Vec<usize> = bulk.parts(Engine::Sqlite, &cells).iter().map(|part| part.len()).collect();
        assert_eq!(sizes, [512, 64, 8, 8, 1, 1, 1]);
        assert_eq!(bulk.parts(Engine::Postgres, &cells).len(), 1);
    }
}
