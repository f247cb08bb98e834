//! What locks are called by their class: a field `layout` that holds a lock is `mmap_lock`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, File, GenericArgument, Item, ItemImpl, Lit, PathArguments, Type};

/// The names of one file's fields.
pub(crate) type Named<'a> = BTreeMap<&'a str, &'a str>;

/// A name in a file, and what it leads to.
struct Entry {
    file: String,
    name: String,
    to: String,
}

/// Fields that hold locks, and the classes of what is under them.
#[derive(Default)]
pub(crate) struct Locks {
    /// A field, and the data under its lock.
    fields: Vec<Entry>,
    /// Data, and its class: by the constant of the order, or, for a lock that a primitive keeps to itself, by name.
    classes: Vec<Entry>,
    /// The rows of the order: `I_RWSEM "i_rwsem";`.
    order: BTreeMap<String, String>,
}

impl Locks {
    pub(crate) fn of(sources: &[(String, File)]) -> Self {
        let mut locks = Self::default();
        for (key, file) in sources {
            file.items.iter().for_each(|item| locks.item(key, item));
        }
        locks
    }

    fn item(&mut self, file: &str, item: &Item) {
        match item {
            Item::Struct(it) => {
                for field in &it.fields {
                    if let (Some(name), Some(data)) = (&field.ident, guarded(&field.ty)) {
                        self.field(file, name.to_string(), data);
                    }
                }
            }
            Item::Impl(it) => self.class(file, it),
            Item::Mod(it) => {
                it.content.iter().flat_map(|it| &it.1).for_each(|item| self.item(file, item));
            }
            Item::Macro(it) => self.invocation(file, it),
            _ => {}
        }
    }

    fn field(&mut self, file: &str, name: String, to: String) {
        self.fields.push(Entry { file: file.to_owned(), name, to });
    }

    /// `impl Guarded for DATA { const CLASS: LockClass = ...; }`.
    fn class(&mut self, file: &str, it: &ItemImpl) {
        let of = it.trait_.as_ref().and_then(|it| it.0.segments.last());
        let Some(data) = of.filter(|it| it.ident == "Guarded").and_then(|_| last_of(&it.self_ty))
        else {
            return;
        };
        for item in &it.items {
            let syn::ImplItem::Const(class) = item else { continue };
            if let Some(to) = class_of(&class.expr) {
                self.classes.push(Entry { file: file.to_owned(), name: data.clone(), to });
            }
        }
    }

    /// `zeroed! { struct ... }`, `lock_class! { DATA, CLASS }`, `lock_order! { CLASS "name"; ... }`.
    fn invocation(&mut self, file: &str, it: &syn::ItemMacro) {
        let Some(called) = it.mac.path.segments.last().filter(|_| it.ident.is_none()) else {
            return;
        };
        let tokens = it.mac.tokens.clone();
        if called.ident == "lock_order" {
            self.order.extend(rows(tokens));
        } else if called.ident == "lock_class" {
            if let [.., name, to] = &words(tokens)[..] {
                let (name, to) = (name.clone(), to.clone());
                self.classes.push(Entry { file: file.to_owned(), name, to });
            }
        } else if let Ok(inside) = syn::parse2::<File>(tokens) {
            inside.items.iter().for_each(|item| self.item(file, item));
        }
    }

    /// The name of the class of the data under a lock of this file. Data of one name in several files are several
    /// classes; then those of the file itself are meant.
    fn name_of(&self, file: &str, data: &str) -> Option<&str> {
        let of_name = || self.classes.iter().filter(|class| class.name == data);
        let class = of_name().find(|class| class.file == file).or_else(|| of_name().next())?;
        Some(self.order.get(&class.to).unwrap_or(&class.to))
    }

    /// What fields are called in this file. A field's own file knows best; elsewhere, fields of one name with locks
    /// of several classes keep their name.
    pub(crate) fn named_in(&self, file: &str) -> Named<'_> {
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for Entry { file: own, name, to } in &self.fields {
            all.entry(name).or_default().extend(self.name_of(own, to));
        }
        all.retain(|_, names| names.len() == 1);
        let here = self.fields.iter().filter(|field| field.file == file);
        let here = here.filter_map(|it| Some((it.name.as_str(), self.name_of(file, &it.to)?)));
        let mut names: Named<'_> = all
            .into_iter()
            .flat_map(|(field, names)| names.into_iter().map(move |name| (field, name)))
            .collect();
        names.extend(here);
        names
    }
}

/// `T` of a type that is, or that holds, a `SpinLock<T>` or an `RwSem<T>`.
fn guarded(of: &Type) -> Option<String> {
    let of = match of {
        Type::Path(path) => path.path.segments.last()?,
        Type::Reference(it) => return guarded(&it.elem),
        _ => return None,
    };
    let PathArguments::AngleBracketed(arguments) = &of.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|it| match it {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    });
    match of.ident == "SpinLock" || of.ident == "RwSem" {
        true => types.next().and_then(last_of),
        false => types.find_map(guarded),
    }
}

fn last_of(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|it| it.ident.to_string()),
        _ => None,
    }
}

/// `X` of `lock_order::X`, and "x" of `LockClass::innermost("x")`.
fn class_of(of: &Expr) -> Option<String> {
    match of {
        Expr::Path(path) => path.path.segments.last().map(|it| it.ident.to_string()),
        Expr::Call(call) => match call.args.first()? {
            Expr::Lit(it) => match &it.lit {
                Lit::Str(name) => Some(name.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The identifiers that stand in a macro's input, attributes left out.
fn words(tokens: TokenStream) -> Vec<String> {
    let word = |token| match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    };
    tokens.into_iter().filter_map(word).collect()
}

/// Every `NAME "text"` of a macro's input.
fn rows(tokens: TokenStream) -> Vec<(String, String)> {
    let all: Vec<TokenTree> = tokens.into_iter().collect();
    let row = |two: &[TokenTree]| match two {
        [TokenTree::Ident(name), TokenTree::Literal(text)] => {
            let text: syn::LitStr = syn::parse_str(&text.to_string()).ok()?;
            Some((name.to_string(), text.value()))
        }
        _ => None,
    };
    all.windows(2).filter_map(row).collect()
}
