//! The application of the demo. A program of its own, because loading a large one takes time that
//! would count as the application's start.

#[path = "demo/web.rs"]
mod web;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, listen] if flag == "--listen" => web::serve(listen),
        _ => anyhow::bail!("usage: web --listen ADDRESS:PORT"),
    }
}
