#![doc = include_str!("../README.md")]

mod audit;
mod chain;
mod fault;
mod lock;
mod make;
mod reader;
mod row;
mod schema;
mod seal;
mod sqlite;
mod steps;
mod tables;
mod tip;
mod writer;

pub use audit::{Audit, AuditedEdit, audit};
pub use sqlite::SqliteJournal;
