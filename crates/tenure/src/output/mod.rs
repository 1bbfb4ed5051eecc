//! How answers look: tables for people, JSON and YAML for programs.
//!
//! Standard output holds answers and nothing else; remarks and errors go to standard error. A reader that goes away,
//! as `head` does, is no error.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

use crate::client::Failure;

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Json,
    Yaml,
}

/// Where and how answers are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub format: Format,
    pub is_quiet: bool,
}

impl Output {
    /// Prints rows as a table, or what stands for them as JSON or YAML.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn rows(self, head: &[&str], rows: Vec<Vec<String>>, value: impl FnOnce() -> Value) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&table(head, rows)),
            Format::Json | Format::Yaml => self.value(&value()),
        }
    }

    /// Prints a text, or the value that it stands for.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn text_or(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&text()),
            Format::Json | Format::Yaml => {
                self.value(&serde_json::to_value(value).map_err(|error| Failure::new(error.to_string()))?)
            }
        }
    }

    /// Prints a value: YAML where it was asked for, JSON otherwise.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn value(self, value: &Value) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(value).map_err(|error| Failure::new(error.to_string()))?;
        match self.format {
            Format::Yaml => self.text(&wire::manifest::json_to_yaml(&json).map_err(Failure::new)?),
            Format::Table | Format::Json => self.text(&json),
        }
    }

    /// Prints a text with a line's end.
    ///
    /// # Errors
    /// When standard output cannot be written; a reader that went away, as `head` does, is no error.
    pub fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(text.trim_end_matches('\n').as_bytes()).and_then(|()| out.write_all(b"\n"));
        match written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("standard output cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// A remark beside the answer, on standard error.
    pub fn remark(self, text: &str) {
        if !self.is_quiet {
            eprintln!("{text}");
        }
    }
}

/// A table as people like to read it: aligned columns, no frame.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    let trimmed: Vec<String> = table.to_string().lines().map(|line| line.trim().to_owned()).collect();
    trimmed.join("\n")
}
