//! What only a recorder asks for: tasks held in the middle of a call, bytes by their value, blocks by where they are.
//!
//! Such a step is no operation of a program, and in the recording's program it stands as it was recorded.

use serde::Serialize;

use crate::op::{FdNo, PipeNo, WORKERS_MAX, WorkerId};

/// See the module's introduction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Asked {
    /// From here on this worker stays where it comes to a place of the kernel, once (`sp add`).
    Hold {
        /// Its number.
        hold: u8,
        /// A function, or an instruction of it: `kill_dax+0x2f`.
        place: String,
        /// Who is held.
        worker: WorkerId,
    },
    /// Whether somebody has come there (`held`).
    Held {
        /// Its number.
        hold: u8,
    },
    /// Who is held goes on, and nobody is held there any more (`sp go`, `sp del`).
    Release {
        /// Its number.
        hold: u8,
    },
    /// Writes pages of a byte to a file (`fill`).
    Fill {
        /// The file.
        fd: FdNo,
        /// The byte.
        value: u8,
        /// First page.
        page: u32,
        /// How many.
        pages: u32,
    },
    /// Gives a file blocks in one piece, from its first page on, unwritten (`fallocate`).
    Fallocate {
        /// The file.
        fd: FdNo,
        /// How many.
        pages: u32,
    },
    /// Gives a file every block that nobody has (`hog`).
    Hog {
        /// The file.
        fd: FdNo,
    },
    /// Reads a byte of a file (`fpeek`).
    FilePeek {
        /// The file.
        fd: FdNo,
        /// Which page's.
        page: u32,
    },
    /// Reads all that is in a pipe (`drainpeek`).
    DrainPeek {
        /// The pipe.
        pipe: PipeNo,
    },
}

impl Asked {
    /// Reads a step of a recorder; none if it is not one.
    ///
    /// # Errors
    /// What is wrong with its arguments.
    pub(super) fn read(name: &str, args: &[String]) -> Result<Option<Self>, String> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Ok(Some(match (name, args.as_slice()) {
            ("sp", ["add", hold, place, worker, _most_ms, "sleep" | "spin"]) => Self::Hold {
                hold: number(hold)?,
                place: (*place).to_owned(),
                worker: of_worker(worker)?,
            },
            ("sp", ["go" | "del", hold]) => Self::Release { hold: number(hold)? },
            ("held", [hold] | [hold, _]) => Self::Held { hold: number(hold)? },
            ("fill", [fd, value, page, pages]) => Self::Fill {
                fd: FdNo(number(fd)?),
                value: number(value)?,
                page: number(page)?,
                pages: number(pages)?,
            },
            ("fallocate", [fd, "0", pages]) => {
                Self::Fallocate { fd: FdNo(number(fd)?), pages: number(pages)? }
            }
            ("hog", [fd, _]) => Self::Hog { fd: FdNo(number(fd)?) },
            ("fpeek", [fd, page]) => Self::FilePeek { fd: FdNo(number(fd)?), page: number(page)? },
            ("drainpeek", [pipe]) => Self::DrainPeek { pipe: PipeNo(number(pipe)?) },
            ("sp" | "held" | "fill" | "hog" | "fpeek" | "drainpeek", _) => {
                return Err(format!("{name} {}: not as a recorder says it", args.join(" ")));
            }
            _ => return Ok(None),
        }))
    }
}

/// A number, decimal or 0x hexadecimal.
fn number<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let read = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse::<u64>(),
    };
    let number = read.map_err(|_| format!("\"{text}\" is no number"))?;
    N::try_from(number).map_err(|_| format!("{text} is too large"))
}

fn of_worker(text: &str) -> Result<WorkerId, String> {
    let number: Option<u8> = text.strip_prefix('w').unwrap_or(text).parse().ok();
    let worker = number.filter(|&n| n < WORKERS_MAX).map(WorkerId);
    worker.ok_or_else(|| format!("\"{text}\" is no worker"))
}
