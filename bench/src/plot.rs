//! Plots as SVG, without a library: horizontal bars, and lines over x.
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 190.0;
const LINE: f64 = 26.0;
const COLOURS: [&str; 6] = ["#0b6e99", "#c2571a", "#4d7c0f", "#7c3aed", "#b91c1c", "#475569"];

fn framed(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Groups of bars, each with a title and a scale of its own.
pub(crate) fn bars(groups: &[(&str, Vec<(String, f64)>)]) -> String {
    let (mut body, mut y) = (String::new(), 10.0);
    for (title, bars) in groups {
        y += LINE;
        text(&mut body, 10.0, y - 8.0, &format!("<tspan font-weight=\"bold\">{}</tspan>", escaped(title)));
        let most =
            bars.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
        for (name, value) in bars.iter().filter(|(_, value)| value.is_finite()) {
            let colour = if name.starts_with("pollux") { COLOURS[0] } else { COLOURS[5] };
            let width = value / most * (WIDTH - LABEL - 90.0);
            text(&mut body, 10.0, y + 15.0, &escaped(name));
            shape(
                &mut body,
                &format!("<rect x=\"{LABEL}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>"),
            );
            text(&mut body, LABEL + width + 6.0, y + 15.0, &number(*value));
            y += LINE;
        }
    }
    framed(y + 10.0, &body)
}

/// Lines over one x, each with its name.
pub(crate) fn lines(title: &str, x_name: &str, series: &[(&str, Vec<(f64, f64)>)]) -> String {
    let (left, top, width, height) = (60.0, 40.0, WIDTH - 80.0, 260.0);
    let all = || series.iter().flat_map(|(_, points)| points);
    let most = |of: fn(&(f64, f64)) -> f64| all().map(of).filter(|v| v.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    let (x_most, y_most) = (most(|p| p.0), most(|p| p.1) * 1.05);
    let mut body = String::new();
    text(&mut body, 10.0, 20.0, &format!("<tspan font-weight=\"bold\">{}</tspan>", escaped(title)));
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let (x, y) = (left + share * width, top + height - share * height);
        shape(&mut body, &format!("<path d=\"M{left} {y:.1}H{:.1}\" stroke=\"#e2e8f0\"/>", left + width));
        text(&mut body, 4.0, y + 4.0, &number(share * y_most));
        text(&mut body, x - 8.0, top + height + 18.0, &number(share * x_most));
    }
    text(&mut body, left, top + height + 36.0, &escaped(x_name));
    for ((name, points), (n, colour)) in series.iter().zip(COLOURS.iter().enumerate()) {
        let place =
            |(x, y): &(f64, f64)| format!("{:.1},{:.1}", left + x / x_most * width, top + height - y / y_most * height);
        let path = points.iter().map(place).collect::<Vec<_>>().join(" ");
        shape(
            &mut body,
            &format!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"),
        );
        let y = top + height + 36.0 + 18.0 * (n + 1) as f64;
        shape(
            &mut body,
            &format!("<rect x=\"{left}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>", y - 11.0),
        );
        text(&mut body, left + 18.0, y, &escaped(name));
    }
    framed(top + height + 50.0 + 18.0 * series.len() as f64, &body)
}

fn shape(body: &mut String, shape: &str) {
    body.push_str(shape);
    body.push('\n');
}
fn text(body: &mut String, x: f64, y: f64, text: &str) {
    // Writing to a String cannot fail.
    writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>").ok();
}
