//! The steps of the protocol that can be left out: every call of a primitive in it that has an effect.
//!
//! A step's place is where the primitive is told it is called: inside a `#[track_caller]` helper, where the helper is
//! called. So a helper's calls are steps of every caller, each by the helper's name. Types are not known here; which
//! `set` is that of an atomic is told by what fields, parameters and functions of that name are declared as, and
//! `rust/explore/tests/protocol_steps.rs` compares with the calls that executions really make.

use std::collections::{BTreeMap, BTreeSet};

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, File, FnArg, Ident, Pat, ReturnType, Signature, Stmt, Token, Type, Visibility,
};

use super::functions::{alias, last_word};
use super::locks::Named;

/// A primitive with an effect.
struct Primitive {
    /// The method, or the function, and how many arguments it takes.
    called: &'static str,
    arguments: usize,
    /// What `prim` asks about when it is called.
    op: &'static str,
    kind: &'static str,
    /// Types that have the method; none for a function.
    of: &'static [&'static str],
}

const ATOMICS: &[&str] = &["AtomicI32", "AtomicU32", "AtomicI64", "AtomicU64", "AtomicUsize"];

macro_rules! primitives {
    ($($of:expr => { $($called:ident / $arguments:literal $(as $op:ident)?: $kind:literal,)* })*) => {
        &[$($(Primitive {
            called: stringify!($called),
            arguments: $arguments,
            op: primitives!(@op $called $($op)?),
            kind: $kind,
            of: $of,
        },)*)*]
    };
    (@op $called:ident $op:ident) => { stringify!($op) };
    (@op $called:ident) => { stringify!($called) };
}

const PRIMITIVES: &[Primitive] = primitives! {
    ATOMICS => {
        set/1: "store", set_release/1: "store", set_release_with/2 as set_release: "store",
        or/1: "store", and/1: "store", xchg/1: "store", fetch_or/1: "store", fetch_and/1: "store",
        cmpxchg/2: "exchange", cmpxchg_with/3 as cmpxchg: "exchange",
        cmpxchg_acquire/2: "exchange", cmpxchg_release/2: "exchange",
        add/1: "get", inc/0: "get", add_return/1: "get", inc_return/0: "get", add_unless/2: "get",
        sub/1: "put", dec/0: "put", sub_return/1: "put", dec_return/0: "put", sub_and_test/1: "put",
        sub_and_test_with/2 as sub_and_test: "put", dec_and_test/0: "put",
        test_and_set_bit/1: "lock", clear_bit_unlock/1: "unlock",
        differs_from/1: "re-check",
    }
    &["SpinLock"] => { lock/1: "lock", try_lock/1: "lock", }
    &["RwSem"] => { read/1: "lock", write/1: "lock", try_read/1: "lock", try_write/1: "lock", }
    &["Srcu"] => { read_lock/1: "section", synchronize_srcu/1: "grace period", }
    &["Completion"] => { complete_all/1: "wake-up", wait/3: "wait", reinit/0: "store", }
    &["Cpu"] => {
        percpu_add/2: "count", rcu_read_lock/0: "section", local_irq_save/0: "section", access_begin/0: "section",
    }
    &["LeafSection"] => { run/1: "section", }
    &["Slab"] => { free/2: "free", }
    &["DeferredQueue"] => { push/2: "deferral", drain/2: "grace period", }
    &["Table"] => { zero/1: "store", }
    &[] => {
        smp_mb/0: "barrier", smp_rmb/0: "barrier", smp_wmb/0: "barrier", smp_mb_after_atomic/0: "barrier",
        wake_up_all/2 as wake_up: "wake-up", wake_up_one/2 as wake_up: "wake-up",
        wake_up_var/2 as wake_up: "wake-up",
        wait_event/5: "wait", wait_event_exclusive/5 as wait_event: "wait", wait_var_event/5 as wait_event: "wait",
        bit_spin_lock/3: "lock", bit_spin_unlock/2: "unlock",
        bit_lock/4: "lock", bit_trylock/3: "lock", bit_unlock/3: "unlock", bit_wait/5: "wait",
        synchronize_rcu/1: "grace period", sync_irq/1: "grace period", sync_access/1: "flush",
    }
};

/// Methods of numbers and spans, too: there they are told by coming to something.
const OF_NUMBERS: &[&str] = &["add", "sub", "or", "and"];

/// What only watches the protocol, and is no part of it.
const WATCHERS: &[&str] = &[
    "mm-explored/src/page/shadow.rs",
    "mm-explored/src/dax/audit.rs",
    "mm-explored/src/world/audit.rs",
    "mm-explored/src/world/holders.rs",
    "mm-explored/src/world/observe.rs",
];

/// A step: where it is, and what it is called.
pub(crate) struct Step {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) op: &'static str,
    pub(crate) kind: &'static str,
    /// `set-mapping`.
    pub(crate) what: String,
    pub(crate) function: String,
    /// It only watches the protocol.
    pub(crate) watches: bool,
    /// The calls of primitives that it is, by their places.
    pub(crate) calls: BTreeSet<(String, usize, usize)>,
}

/// A call of a primitive.
#[derive(Clone)]
struct Effect {
    primitive: &'static Primitive,
    at: (String, usize, usize),
}

/// A function that takes its caller's place.
#[derive(Default)]
struct Helper {
    file: String,
    private: Reach,
    arguments: usize,
    effects: Vec<Effect>,
    calls: Vec<(String, usize)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    File,
    Folder,
    All,
}

/// A call that may be a step of the function around it.
struct Call {
    file: String,
    function: String,
    called: String,
    /// What it is called on, or its first argument.
    receiver: Option<String>,
    arguments: usize,
    line: usize,
    column: usize,
    method: bool,
    /// It is a statement: what it comes to is nothing.
    alone: bool,
}

/// What the sources of the protocol declare.
#[derive(Default)]
struct Read {
    /// Types of fields, parameters and results by name.
    types: BTreeMap<String, BTreeSet<String>>,
    helpers: Vec<(String, Helper)>,
    calls: Vec<(Call, Option<usize>)>,
}

/// Every step, in the order of the sources.
pub(crate) fn of<'a>(
    sources: &'a [(String, File)],
    named: impl Fn(&str) -> Named<'a>,
) -> Vec<Step> {
    let mut read = Read::default();
    for (file, parsed) in sources {
        Declared(&mut read.types).visit_file(parsed);
        let mut reader =
            Reader { read: &mut read, file, functions: Vec::new(), helper: None, alone: false };
        reader.visit_file(parsed);
    }
    let Read { types, mut helpers, calls } = read;
    for (call, helper) in &calls {
        let Some(helper) = helper else { continue };
        match primitive(call, &types) {
            Some(primitive) => {
                let at = (call.file.clone(), call.line, call.column);
                helpers[*helper].1.effects.push(Effect { primitive, at });
            }
            None => helpers[*helper].1.calls.push((call.called.clone(), call.arguments)),
        }
    }
    settle(&mut helpers);
    let mut steps: BTreeMap<(String, usize, usize, &'static str), Step> = BTreeMap::new();
    for (call, _) in calls.iter().filter(|(_, helper)| helper.is_none()) {
        let here = (call.file.clone(), call.line, call.column);
        let effects = match primitive(call, &types) {
            Some(primitive) => vec![Effect { primitive, at: here.clone() }],
            None => effects_of(&helpers, &call.file, &call.called, call.arguments),
        };
        let names = named(&call.file);
        let alone = effects.len() == 1;
        for Effect { primitive, at } in effects {
            let own = at == here;
            let receiver = call.receiver.as_deref();
            let receiver =
                receiver.map(|it| names.get(it).copied().unwrap_or(it).replace(' ', "_"));
            let verb = match (own, primitive.called) {
                (true, "read" | "try_read" | "write" | "try_write") => {
                    format!("down_{}", primitive.called)
                }
                (true, called) => called.trim_end_matches("_with").to_owned(),
                (false, _) => call.called.clone(),
            };
            // A helper of several steps: which one.
            let verb = match own || alone {
                true => verb,
                false => format!("{verb}:{}", primitive.called.trim_end_matches("_with")),
            };
            let what =
                receiver.map_or_else(|| verb.clone(), |receiver| format!("{verb}-{receiver}"));
            let watches = [&at.0, &here.0].iter().any(|file| WATCHERS.contains(&file.as_str()));
            let (file, line, column) = here.clone();
            let step =
                steps.entry((file.clone(), line, column, primitive.op)).or_insert_with(|| Step {
                    file,
                    line,
                    column,
                    op: primitive.op,
                    kind: primitive.kind,
                    what,
                    function: call.function.clone(),
                    watches,
                    calls: BTreeSet::new(),
                });
            step.calls.insert(at);
        }
    }
    steps.into_values().collect()
}

/// The primitive that a call is of, if it is of one.
fn primitive(
    call: &Call,
    types: &BTreeMap<String, BTreeSet<String>>,
) -> Option<&'static Primitive> {
    let fits = |it: &&Primitive| {
        if it.called != call.called
            || it.arguments != call.arguments
            || it.of.is_empty() == call.method
        {
            return false;
        }
        if it.of.is_empty() {
            return true;
        }
        if OF_NUMBERS.contains(&it.called) && !call.alone {
            return false;
        }
        let Some(receiver) = &call.receiver else { return false };
        let known = types.get(receiver);
        known.is_none_or(|known| it.of.iter().any(|of| known.contains(*of)))
    };
    PRIMITIVES.iter().find(fits)
}

/// Helpers that call helpers have their effects, too.
fn settle(helpers: &mut [(String, Helper)]) {
    loop {
        let mut grown = false;
        for at in 0..helpers.len() {
            let Helper { file, calls, .. } = &helpers[at].1;
            let found: Vec<Effect> =
                calls.iter().flat_map(|(name, n)| effects_of(helpers, file, name, *n)).collect();
            let mine = &mut helpers[at].1.effects;
            for effect in found {
                if !mine.iter().any(|it| it.at == effect.at) {
                    mine.push(effect);
                    grown = true;
                }
            }
        }
        if !grown {
            return;
        }
    }
}

/// What a call of a helper does, from this file.
fn effects_of(
    helpers: &[(String, Helper)],
    from: &str,
    name: &str,
    arguments: usize,
) -> Vec<Effect> {
    let folder = |file: &str| file.rsplit_once('/').map_or("", |it| it.0).to_owned();
    let meant = helpers.iter().filter(|(called, helper)| {
        let near = match helper.private {
            Reach::File => helper.file == from,
            Reach::Folder => folder(&helper.file) == folder(from),
            Reach::All => true,
        };
        called == name && helper.arguments == arguments && near
    });
    meant.flat_map(|(_, helper)| helper.effects.clone()).collect()
}

/// What names are declared as.
struct Declared<'a>(&'a mut BTreeMap<String, BTreeSet<String>>);

impl Declared<'_> {
    fn is(&mut self, name: &Ident, of: &Type) {
        let mut words = Words(BTreeSet::new());
        words.visit_type(of);
        self.0.entry(name.to_string()).or_default().extend(words.0);
    }

    fn signature(&mut self, signature: &Signature) {
        for input in &signature.inputs {
            if let FnArg::Typed(it) = input
                && let Pat::Ident(name) = &*it.pat
            {
                self.is(&name.ident, &it.ty);
            }
        }
        if let ReturnType::Type(_, of) = &signature.output {
            self.is(&signature.ident, of);
        }
    }
}

impl<'ast> Visit<'ast> for Declared<'_> {
    fn visit_field(&mut self, it: &'ast syn::Field) {
        if let Some(name) = &it.ident {
            self.is(name, &it.ty);
        }
    }

    fn visit_item_fn(&mut self, it: &'ast syn::ItemFn) {
        self.signature(&it.sig);
        visit::visit_item_fn(self, it);
    }

    fn visit_impl_item_fn(&mut self, it: &'ast syn::ImplItemFn) {
        self.signature(&it.sig);
        visit::visit_impl_item_fn(self, it);
    }

    fn visit_item_mod(&mut self, it: &'ast syn::ItemMod) {
        if !is_test(&it.attrs) {
            visit::visit_item_mod(self, it);
        }
    }

    fn visit_item_macro(&mut self, it: &'ast syn::ItemMacro) {
        if let Ok(inside) = syn::parse2::<File>(it.mac.tokens.clone()) {
            self.visit_file(&inside);
        }
    }
}

/// The words of a type.
struct Words(BTreeSet<String>);

impl Visit<'_> for Words {
    fn visit_ident(&mut self, it: &Ident) {
        self.0.insert(it.to_string());
    }
}

struct Reader<'a> {
    read: &'a mut Read,
    file: &'a str,
    /// Functions around, the innermost last.
    functions: Vec<String>,
    /// The helper around.
    helper: Option<usize>,
    alone: bool,
}

impl Reader<'_> {
    fn function(
        &mut self,
        attributes: &[Attribute],
        visibility: &Visibility,
        signature: &Signature,
        inside: impl FnOnce(&mut Self),
    ) {
        let own = signature.ident.to_string();
        let name = alias(attributes).ok().flatten().unwrap_or_else(|| own.clone());
        let before = self.helper;
        if attributes.iter().any(|it| it.path().is_ident("track_caller")) {
            let private = match visibility {
                Visibility::Inherited => Reach::File,
                Visibility::Restricted(_) => Reach::Folder,
                Visibility::Public(_) => Reach::All,
            };
            let takes = |input: &&FnArg| matches!(input, FnArg::Typed(_));
            let arguments = signature.inputs.iter().filter(takes).count();
            let file = self.file.to_owned();
            let helper = Helper { file, private, arguments, ..Helper::default() };
            self.read.helpers.push((own, helper));
            self.helper = Some(self.read.helpers.len() - 1);
        } else {
            self.helper = None;
        }
        self.functions.push(name);
        inside(self);
        self.functions.pop();
        self.helper = before;
    }

    fn call(
        &mut self,
        called: &Ident,
        receiver: Option<String>,
        arguments: usize,
        (line, column): (usize, usize),
        method: bool,
        alone: bool,
    ) {
        let Some(function) = self.functions.last().cloned() else { return };
        let call = Call {
            file: self.file.to_owned(),
            function,
            called: called.to_string(),
            receiver,
            arguments,
            line,
            column: column + 1,
            method,
            alone,
        };
        self.read.calls.push((call, self.helper));
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|it| {
        it.path().is_ident("cfg")
            && it.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, it: &'ast syn::ItemMod) {
        if !is_test(&it.attrs) {
            visit::visit_item_mod(self, it);
        }
    }

    fn visit_item_fn(&mut self, it: &'ast syn::ItemFn) {
        self.function(&it.attrs, &it.vis, &it.sig, |reader| visit::visit_item_fn(reader, it));
    }

    fn visit_impl_item_fn(&mut self, it: &'ast syn::ImplItemFn) {
        self.function(&it.attrs, &it.vis, &it.sig, |reader| visit::visit_impl_item_fn(reader, it));
    }

    fn visit_trait_item_fn(&mut self, it: &'ast syn::TraitItemFn) {
        let private = Visibility::Inherited;
        self.function(&it.attrs, &private, &it.sig, |reader| {
            visit::visit_trait_item_fn(reader, it)
        });
    }

    fn visit_stmt(&mut self, it: &'ast Stmt) {
        self.alone = matches!(it, Stmt::Expr(_, Some(_)));
        visit::visit_stmt(self, it);
        self.alone = false;
    }

    fn visit_expr_method_call(&mut self, it: &'ast syn::ExprMethodCall) {
        let alone = core::mem::replace(&mut self.alone, false);
        let at = it.method.span().start();
        let receiver = last_word(&it.receiver);
        self.call(&it.method, receiver, it.args.len(), (at.line, at.column), true, alone);
        visit::visit_expr_method_call(self, it);
    }

    fn visit_expr_call(&mut self, it: &'ast syn::ExprCall) {
        let alone = core::mem::replace(&mut self.alone, false);
        if let Expr::Path(path) = &*it.func
            && let (Some(first), Some(last)) =
                (path.path.segments.first(), path.path.segments.last())
        {
            let at = first.ident.span().start();
            // What is woken, waited for or locked comes after the CPU.
            let receiver = it.args.iter().filter_map(last_word).find(|it| it != "cpu");
            let (name, arguments) = (last.ident.clone(), it.args.len());
            self.call(&name, receiver, arguments, (at.line, at.column), false, alone);
        }
        visit::visit_expr_call(self, it);
    }

    fn visit_expr(&mut self, it: &'ast Expr) {
        if !matches!(it, Expr::MethodCall(_) | Expr::Call(_)) {
            self.alone = false;
        }
        visit::visit_expr(self, it);
    }

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        let arguments = it.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        arguments.iter().flatten().for_each(|argument| self.visit_expr(argument));
    }
}
