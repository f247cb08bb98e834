//! How Python calls an operation: its signature in text, and arguments bound to it as Python binds them.
//!
//! Methods have as many parameters as their operations have arguments, and a Rust function for each would have them
//! once more. So a method takes whatever it is given, and looks up here by name.

use std::ffi::CString;
use std::fmt::Display;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// A signature, read.
#[derive(Debug)]
pub(crate) struct Signature {
    method: &'static str,
    parameters: Vec<Parameter>,
    /// So many of them may be given by position.
    positional: usize,
}

#[derive(Debug)]
struct Parameter {
    name: &'static str,
    /// The same, as a key of keywords.
    key: Py<PyString>,
    default: Option<Py<PyAny>>,
}

impl Signature {
    /// Reads one as `inspect.signature` does, from `($self, worker, *, access='r')`. Defaults have no commas.
    pub(crate) fn read(py: Python<'_>, method: &'static str, text: &'static str) -> PyResult<Self> {
        let (mut parameters, mut positional) = (Vec::new(), None);
        let inner = text.trim_start_matches("($self").trim_end_matches(')');
        for part in inner.split(", ").filter(|part| !part.is_empty()) {
            if part == "*" {
                positional = Some(parameters.len());
                continue;
            }
            let (name, default) = match part.split_once('=') {
                Some((name, default)) => {
                    let value = py.eval(&CString::new(default)?, None, None)?;
                    (name, Some(value.unbind()))
                }
                None => (part, None),
            };
            parameters.push(Parameter { name, key: PyString::intern(py, name).unbind(), default });
        }
        let positional = positional.unwrap_or(parameters.len());
        Ok(Self { method, parameters, positional })
    }

    /// The place of the parameter of this name, if there is one.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.name == name)
    }

    fn refuse(&self, why: impl Display) -> PyErr {
        PyTypeError::new_err(format!("World.{}() {why}", self.method))
    }
}

/// The arguments of one call.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a, 'py> {
    signature: &'a Signature,
    args: &'a Bound<'py, PyTuple>,
    kwargs: Option<&'a Bound<'py, PyDict>>,
}

impl<'a, 'py> Call<'a, 'py> {
    /// Binds them.
    ///
    /// # Errors
    /// `TypeError`, if they are more than the signature has, or others.
    pub(crate) fn new(
        signature: &'a Signature,
        args: &'a Bound<'py, PyTuple>,
        kwargs: Option<&'a Bound<'py, PyDict>>,
    ) -> PyResult<Self> {
        let (given, most) = (args.len(), signature.positional);
        if given > most {
            let why = format!("takes {most} positional arguments but {given} were given");
            return Err(signature.refuse(why));
        }
        let call = Self { signature, args, kwargs };
        match kwargs {
            Some(kwargs) if call.keywords(kwargs)? != kwargs.len() => Err(call.stray(kwargs)?),
            _ => Ok(call),
        }
    }

    /// How many keywords are parameters that have no value yet.
    fn keywords(&self, kwargs: &Bound<'py, PyDict>) -> PyResult<usize> {
        let open = &self.signature.parameters[self.args.len()..];
        open.iter().try_fold(0, |known, parameter| {
            Ok(known + usize::from(kwargs.contains(parameter.key.bind(self.py()))?))
        })
    }

    /// What is wrong with the first keyword that is none of these.
    fn stray(&self, kwargs: &Bound<'py, PyDict>) -> PyResult<PyErr> {
        for name in kwargs.keys() {
            let name = name.cast::<PyString>()?.to_string_lossy().into_owned();
            match self.signature.place(&name) {
                None => {
                    let why = format!("got an unexpected keyword argument '{name}'");
                    return Ok(self.signature.refuse(why));
                }
                Some(place) if place < self.args.len() => {
                    let why = format!("got multiple values for argument '{name}'");
                    return Ok(self.signature.refuse(why));
                }
                Some(_) => {}
            }
        }
        Ok(self.signature.refuse("got keyword arguments that it does not have"))
    }

    pub(crate) fn py(&self) -> Python<'py> {
        self.args.py()
    }

    /// The value at a place, given or not, with the parameter's name.
    ///
    /// # Errors
    /// `TypeError`, if it has to be given and was not.
    pub(crate) fn value(&self, place: usize) -> PyResult<(Bound<'py, PyAny>, &'static str)> {
        let Parameter { name, key, default } = &self.signature.parameters[place];
        if place < self.args.len() {
            return Ok((self.args.get_item(place)?, name));
        }
        let key = key.bind(self.py());
        let said = self.kwargs.map(|kwargs| kwargs.get_item(key)).transpose()?.flatten();
        let value = said.or_else(|| default.as_ref().map(|it| it.bind(self.py()).clone()));
        let missing = || self.signature.refuse(format!("misses its argument '{name}'"));
        Ok((value.ok_or_else(missing)?, name))
    }

    /// As [`Self::value`], of the parameter of a name; none if there is none.
    pub(crate) fn named(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let place = self.signature.place(name);
        place.map(|place| Ok(self.value(place)?.0)).transpose()
    }
}
