#![doc = include_str!("../README.md")]

mod chain;
mod fault;
mod lock;
mod reader;
mod row;
mod schema;
mod sqlite;
mod steps;
mod tip;
mod writer;

pub use sqlite::SqliteJournal;
