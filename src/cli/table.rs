//! Columns.

use serde_json::Value;

use super::output::{list, text};

/// Between two columns.
const GAP: usize = 3;

/// Rows under a header, each column as wide as its widest cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(super) fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_owned).into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A table as the server prints it (`meta.k8s.io/v1 Table`).
    pub(super) fn from_server(answer: &Value, wide: bool) -> Self {
        let columns = list(answer, "/columnDefinitions");
        let shown = |index: usize| {
            let priority = columns.get(index).and_then(|column| column["priority"].as_i64());
            wide || priority.unwrap_or(0) == 0
        };
        let header = (0..columns.len())
            .filter(|index| shown(*index))
            .filter_map(|index| Some(text(columns.get(index)?, "/name").to_uppercase()))
            .collect();
        let row = |row: &Value| {
            list(row, "/cells")
                .iter()
                .enumerate()
                .filter(|(index, _)| shown(*index))
                .map(|(_, cell)| cell_text(cell))
                .collect()
        };
        let rows = list(answer, "/rows").iter().map(row).collect();
        Self { header, rows }
    }

    /// Writes the first cell of each row anew.
    pub(super) fn map_first(&mut self, change: impl Fn(&str) -> String) {
        for first in self.rows.iter_mut().filter_map(|row| row.first_mut()) {
            *first = change(first);
        }
    }

    /// Whether it has no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Widths of the columns, where they are at least `least`.
    pub(super) fn widths(&self, least: &[usize]) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (width, least) in widths.iter_mut().zip(least) {
            *width = (*width).max(*least);
        }
        widths
    }

    /// Header and rows.
    pub(super) fn render(&self) -> String {
        let widths = self.widths(&[]);
        line(&self.header, &widths) + &self.render_rows(&widths)
    }

    /// The header, in columns of these widths.
    pub(super) fn render_header(&self, widths: &[usize]) -> String {
        line(&self.header, widths)
    }

    /// The rows, in columns of these widths.
    pub(super) fn render_rows(&self, widths: &[usize]) -> String {
        self.rows.iter().map(|row| line(row, widths)).collect()
    }
}

fn cell_text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => cell.to_string(),
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(cell);
        let padding = width.saturating_sub(cell.chars().count()) + GAP;
        text.extend(std::iter::repeat_n(' ', padding));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}
