//! What only a store in a file has to stand: damage, errors of the disk, a kill, former formats, and its size.

mod changes;
mod damage;
mod days;
mod file;
mod format_2;
mod format_3;
mod format_4;
mod format_5;
mod killed;
mod retention;
mod source;
mod write_errors;
