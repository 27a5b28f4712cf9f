//! The contract over a small lake on disk, in this process: whatever is asked in which order, each row comes once.

mod bounds;
mod consumers;
mod pages;
mod shapes;
mod walks;
mod windows;
mod world;
