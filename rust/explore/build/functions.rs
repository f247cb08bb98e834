//! Which lines are which function, and what the methods that are steps are called on.

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, File, Ident, LitStr, Member, Signature, Token};

use super::locks::Named;

/// Methods that are steps; what they are called on has a name worth telling.
const STEPS: &str = "
    read set read_acquire set_release add sub inc dec or and add_return sub_return inc_return dec_return
    fetch_or fetch_and xchg sub_and_test dec_and_test cmpxchg cmpxchg_acquire cmpxchg_release add_unless
    lock try_lock write try_read try_write downgrade is_locked is_write_locked";

/// Two numbers of a place, and a name.
pub(crate) type Row = (usize, usize, String);

/// The tables of one file.
#[derive(Default)]
pub(crate) struct Tables {
    /// First line, last line and name of every function with a body; of nested ones the inner comes later.
    pub(crate) functions: Vec<Row>,
    /// Line and column of every method call that may be a step, and what it is called on.
    pub(crate) receivers: Vec<Row>,
    /// Kernel names that functions declare, with or without a body.
    pub(crate) aliases: Vec<String>,
    wrong: Option<syn::Error>,
}

impl Tables {
    /// # Errors
    /// What is wrong with an attribute that names a function.
    pub(crate) fn of(file: &File, locks: &Named<'_>) -> syn::Result<Self> {
        let mut reader = Reader { tables: Self::default(), locks };
        reader.visit_file(file);
        reader.tables.receivers.sort();
        match reader.tables.wrong.take() {
            Some(wrong) => Err(wrong),
            None => Ok(reader.tables),
        }
    }
}

struct Reader<'a> {
    tables: Tables,
    locks: &'a Named<'a>,
}

impl Reader<'_> {
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, body: Option<&Block>) {
        let alias = match alias(attributes) {
            Ok(alias) => alias,
            Err(wrong) => {
                self.tables.wrong.get_or_insert(wrong);
                return;
            }
        };
        self.tables.aliases.extend(alias.clone());
        if let Some(body) = body {
            let name = alias.unwrap_or_else(|| signature.ident.to_string());
            let (first, last) = (signature.ident.span(), body.brace_token.span.close());
            self.tables.functions.push((first.start().line, last.end().line, name));
        }
    }

    fn receiver(&mut self, method: &Ident, receiver: &Expr) {
        if !STEPS.split_whitespace().any(|step| method == step) {
            return;
        }
        if let Some(name) = last_word(receiver) {
            let at = method.span().start();
            let name =
                self.locks.get(name.as_str()).map_or_else(|| name.clone(), ToString::to_string);
            self.tables.receivers.push((at.line, at.column + 1, name));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, it: &'ast syn::ItemFn) {
        self.function(&it.attrs, &it.sig, Some(&it.block));
        visit::visit_item_fn(self, it);
    }

    fn visit_impl_item_fn(&mut self, it: &'ast syn::ImplItemFn) {
        self.function(&it.attrs, &it.sig, Some(&it.block));
        visit::visit_impl_item_fn(self, it);
    }

    fn visit_trait_item_fn(&mut self, it: &'ast syn::TraitItemFn) {
        self.function(&it.attrs, &it.sig, it.default.as_ref());
        visit::visit_trait_item_fn(self, it);
    }

    fn visit_expr_method_call(&mut self, it: &'ast syn::ExprMethodCall) {
        self.receiver(&it.method, &it.receiver);
        visit::visit_expr_method_call(self, it);
    }

    /// What is passed to a macro is where it is written; what a macro makes of it is nowhere.
    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        let arguments = it.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        arguments.iter().flatten().for_each(|argument| self.visit_expr(argument));
    }
}

/// The kernel's name for a function, `#[doc(alias = "folio_put_refs")]`: the first, if there are several.
pub(crate) fn alias(attributes: &[Attribute]) -> syn::Result<Option<String>> {
    let mut found = None;
    let lists = attributes.iter().filter(|it| it.path().is_ident("doc"));
    for list in lists.filter(|it| it.meta.require_list().is_ok()) {
        list.parse_nested_meta(|meta| {
            if meta.path.is_ident("alias") {
                let name: LitStr = meta.value()?.parse()?;
                found.get_or_insert(name.value());
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// `x` of `x`, `self.x`, `self.x[i]` and `self.x(i)`.
pub(crate) fn last_word(receiver: &Expr) -> Option<String> {
    match receiver {
        Expr::Path(path) => path.path.segments.last().map(|it| it.ident.to_string()),
        Expr::Field(field) => match &field.member {
            Member::Named(name) => Some(name.to_string()),
            Member::Unnamed(index) => Some(index.index.to_string()),
        },
        Expr::Index(index) => last_word(&index.expr),
        Expr::MethodCall(call) => Some(call.method.to_string()),
        Expr::Call(call) => last_word(&call.func),
        Expr::Paren(inner) => last_word(&inner.expr),
        Expr::Reference(inner) => last_word(&inner.expr),
        Expr::Unary(inner) => last_word(&inner.expr),
        Expr::Try(inner) => last_word(&inner.expr),
        _ => None,
    }
    .filter(|name| name != "self")
}
