//! What `help` says of each argument of a method that is an operation.
//!
//! Documentation of a method has to be written when it is compiled, so these are macros, by an argument's name and
//! form in the table of operations. An argument that has no line here does not compile.

/// The parameter that an argument of an operation is given by.
macro_rules! parameter {
    (Open target) => {
        "file"
    };
    (Munmap range) => {
        "page"
    };
    (Tee from) => {
        "source"
    };
    (Tee to) => {
        "target"
    };
    (DioWrite device) => {
        "fd"
    };
    (DioRead device) => {
        "fd"
    };
    ($operation:ident $argument:ident) => {
        stringify!($argument)
    };
}

/// The heading, and the line of who calls; nothing for what the machine does by itself.
macro_rules! asks {
    (Umount) => {
        "\n"
    };
    (Unbind) => {
        "\n"
    };
    (Bind) => {
        "\n"
    };
    ($operation:ident) => {
        "\n\nArguments:\n    worker: number of the worker who calls, 0 to 63\n"
    };
}

/// The line of an argument; nothing for what a method does not ask for.
macro_rules! argument {
    ($operation:ident fs MountPoint) => {
        ""
    };
    ($operation:ident advice OneOf) => {
        ""
    };
    ($operation:ident $argument:ident $form:ident) => {
        concat!(
            "    ",
            crate::help::parameter!($operation $argument),
            ": ",
            crate::help::meaning!($argument $form),
            "\n"
        )
    };
}

/// What an argument is.
macro_rules! meaning {
    (page Page) => {
        "page, from the start of the mapping, file or device; 0 is the first"
    };
    (start Page) => {
        "first page of the driver's memory"
    };
    (offset Page) => {
        "page of the file at which it begins"
    };
    (pages Pages) => {
        "how many pages, 1 at least"
    };
    (pages PagesOrOne) => {
        "how many pages, 1 at least"
    };
    (pages Size) => {
        "new size, in pages"
    };
    (reference Reference) => {
        "number of a reference of the program's own, 0 to 3"
    };
    (room Size) => {
        "how many of its pages can be mapped"
    };
    (range Part) => {
        "first page of a part, with `pages` how many; None: all of the mapping"
    };
    (map Makes) => {
        "number that the mapping gets, 0 to 63"
    };
    (map Theirs) => {
        "number of a mapping of the other worker"
    };
    (map $form:ident) => {
        "number of a mapping of the worker's process"
    };
    (fd Makes) => {
        "number that the descriptor gets, 0 to 63"
    };
    (fd $form:ident) => {
        "number of a descriptor of the worker's process"
    };
    (device Page) => {
        "number of the mirror device: 0, or 1, which has no memory of its own"
    };
    (device Device) => {
        "number of a descriptor of /dev/nullb0, the slow block device"
    };
    (number FdNumber) => {
        "number that the kernel is to have for it; the lowest free one from 3 on is what it was opened at"
    };
    (pipe Makes) => {
        "number that the pipe gets, 0 to 63"
    };
    (pipe $form:ident) => {
        "number of a pipe of the worker's process"
    };
    (from Uses) => {
        "number of the pipe whose pages are taken"
    };
    (to Uses) => {
        "number of the pipe that gets them, too"
    };
    (pin $form:ident) => {
        "number of a pin: the worker's calls of `pin` and `get` count from 0; None: the newest that is left"
    };
    (file File) => {
        "name of a file, or number of a descriptor of the worker's process"
    };
    (source File) => {
        "the file whose blocks they are: its name, or number of a descriptor of the worker's process"
    };
    (file Named) => {
        "name of a file"
    };
    (target Openable) => {
        "name of a file, or a device: '/dev/nullb0', the slow block device, or '/dev/hmm_dmirror0'"
    };
    (memory OneOf) => {
        "'private', which no CPU reaches, or 'coherent'"
    };
    (target Other) => {
        "number of the worker whose memory it is"
    };
    (child Worker) => {
        "number of the worker that starts"
    };
    (worker SomeWorker) => {
        "number of a worker; None: all"
    };
    (mode OneOf) => {
        "'ro' or 'rw', or 'ro,direct' or 'rw,direct' for O_DIRECT"
    };
    (prot OneOf) => {
        "'r' or 'rw'"
    };
    (sharing OneOf) => {
        "'shared' or 'private'"
    };
    (align Keyword) => {
        "'natural', or 'odd': shifted by a page, so that no huge page fits"
    };
    (kind Spoken) => {
        "'anon', or 'anonhuge': in huge pages where they fit"
    };
    (access $form:ident) => {
        "'r' to read or 'w' to write"
    };
    (longterm Keyword) => {
        "whether it is kept as long as its owner likes (FOLL_LONGTERM)"
    };
    (value $form:ident) => {
        "data word of 64 bits"
    };
    (driver Driver) => {
        "name of a driver of the world"
    };
    (ticks Ticks) => {
        "ticks of virtual time that it takes (`tick`); None: until `complete_io`"
    };
}

pub(crate) use {argument, asks, meaning, parameter};
