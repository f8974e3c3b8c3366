//! Columns for a person's eye.

/// Cells in columns, two spaces apart, each as wide as its widest; `right`: columns of numbers, by position.
pub fn aligned(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| wide(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| pad(cell, *width, right.contains(&at)))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One cell, as wide as its column.
pub fn pad(cell: &str, width: usize, right: bool) -> String {
    if right { format!("{cell:>width$}") } else { format!("{cell:width$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["unit", "answer"], ["7", "°C"], ["147", "exception 2"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows, &[0]), "unit  answer\n   7  °C\n 147  exception 2\n");
    }
}
