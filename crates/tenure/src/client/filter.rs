//! Which rows of a file are taken: `column=value` and `column!=value`, all of which must hold.
//!
//! Cells are compared as they stand in the file, without the blanks around them; what a mapping makes of them comes
//! later. So a column can decide that is mapped to nothing.

use super::Failure;
use super::mapping::column_at;

/// Which rows are taken.
#[derive(Debug)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// What must hold of a cell.
#[derive(Debug)]
struct Condition {
    at: usize,
    value: String,
    /// Whether the cell must be the value, or must not.
    is_equal: bool,
}

impl Filter {
    /// Reads conditions against the header of a file.
    ///
    /// # Errors
    /// [`Failure`] names the condition, what it lacks and what was probably meant.
    pub fn new(header: &[String], conditions: &[String]) -> Result<Self, Failure> {
        let read = |text: &String| {
            let (column, value) = text.split_once('=').ok_or_else(|| {
                Failure::usage(format!(
                    "--where {text}: expected column=value or column!=value, for example country=NL"
                ))
            })?;
            let (column, is_equal) = column.strip_suffix('!').map_or((column, true), |column| (column, false));
            let at = column_at(header, column.trim());
            let at = at.map_err(|error| Failure::usage(format!("--where {text}: {error}")))?;
            Ok(Condition { at, value: value.trim().to_owned(), is_equal })
        };
        Ok(Self { conditions: conditions.iter().map(read).collect::<Result<_, Failure>>()? })
    }

    /// Whether a row is taken.
    pub fn takes(&self, row: &csv::StringRecord) -> bool {
        let holds = |it: &Condition| (row.get(it.at).unwrap_or_default().trim() == it.value) == it.is_equal;
        self.conditions.iter().all(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(conditions: &[&str]) -> Result<Vec<usize>, String> {
        let header = ["host", "country", "status"].map(str::to_owned);
        let conditions: Vec<String> = conditions.iter().map(|it| (*it).to_owned()).collect();
        let filter = Filter::new(&header, &conditions).map_err(|failure| failure.to_string())?;
        let rows = [["a", "NL", "online"], ["b", " NL ", "offline"], ["c", "DE", "online"], ["d", "", "a=b"]];
        Ok((0..4).filter(|at| filter.takes(&csv::StringRecord::from(rows[*at].to_vec()))).collect())
    }

    #[test]
    fn all_conditions_must_hold() {
        assert_eq!(taken(&[]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(taken(&["country=NL"]), Ok(vec![0, 1]));
        assert_eq!(taken(&["country=NL", "status!=offline"]), Ok(vec![0]));
        assert_eq!(taken(&["country!="]), Ok(vec![0, 1, 2]));
        assert_eq!(taken(&["status=a=b"]), Ok(vec![3]));
    }

    #[test]
    fn a_condition_on_nothing_is_named() {
        assert!(taken(&["country"]).unwrap_err().contains("--where country: expected column=value"));
        let error = taken(&["contry=NL"]).unwrap_err();
        assert!(error.contains("--where contry=NL") && error.contains("did you mean \"country\"?"), "{error}");
    }
}
