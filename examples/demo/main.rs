//! x
mod balancer;
mod client;
mod lab;
mod recorder;
mod web;

fn main() -> anyhow::Result<()> {
    web::serve("0.0.0.0:8080")
}
