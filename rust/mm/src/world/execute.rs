//! From an [`Op`] to the system call it names: each is the method that its row of the table says.

use prim::Cpu;
use program::op::{self, Mount, Wait, WorkerId};
use program::{Errno, Op};

use crate::world::{Return, World};

macro_rules! dispatch {
    (($world:ident $cpu:ident $worker:ident $op:ident) $(
        $(#[$doc:meta])+
        $by:ident($($said:tt)+) $method:ident: $name:ident $(($args:ident { $($argument:tt)+ }))?
        -> $returns:ident [$($ends:tt)*] $(hunt $turn:literal $word:literal = $text:literal)*;
    )+) => {
        match $op {
            $(Op::$name $((it @ op::$args { .. }))? => {
                $world.$method($cpu, $worker $(, { let it: &op::$args = it; it })?)
            })+
            Op::Unsupported { .. } => Err(Errno::EOPNOTSUPP.into()),
        }
    };
}

impl World {
    /// Executes one operation for a worker. A write stores the number of the file's page.
    ///
    /// # Errors
    /// What the call returns; `EOPNOTSUPP` for an operation this model cannot do yet.
    pub fn execute(&self, cpu: &Cpu<'_>, worker: WorkerId, op: &Op) -> Return {
        program::operations!(dispatch self cpu worker op)
    }

    /// What is somebody else's business: an engine's, or a recorder's. Returns 0.
    ///
    /// # Errors
    /// None.
    pub fn nothing(&self, _cpu: &Cpu<'_>, _worker: WorkerId) -> Return {
        Ok(0)
    }

    /// Waiting for a worker is an engine's business, too.
    ///
    /// # Errors
    /// None.
    pub fn wait(&self, cpu: &Cpu<'_>, worker: WorkerId, _op: &Wait) -> Return {
        self.nothing(cpu, worker)
    }

    /// A file system is mounted as soon as somebody uses it.
    ///
    /// # Errors
    /// None.
    pub fn mount(&self, cpu: &Cpu<'_>, worker: WorkerId, _op: &Mount) -> Return {
        self.nothing(cpu, worker)
    }
}
