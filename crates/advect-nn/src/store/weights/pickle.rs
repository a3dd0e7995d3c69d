//! A reader of Python's pickles, as far as PyTorch's files need them. It reads data only and calls nothing.
//!
//! The opcodes are those of Python's `pickletools`. Objects lie in a list and refer to each other by their places in it, so that
//! what a pickle repeats is not repeated in memory, and what it nests is not nested: memory is a multiple of the pickle's length.

use std::collections::HashMap;

/// The place of an object in its [`Pickle`].
pub(super) type Place = usize;

/// An object of Python; text and names lie in the pickle's bytes.
#[derive(Debug, Clone)]
pub(super) enum Object<'a> {
    /// `None`, a truth value, a float, bytes, a set: nothing that a tensor is made of.
    Other,
    Integer(i64),
    Text(&'a str),
    /// A function or a class: its module and its name.
    Global(&'a str, &'a str),
    /// A tuple or a list.
    Sequence(Vec<Place>),
    /// The pairs of a dictionary, in their order.
    Dictionary(Vec<(Place, Place)>),
    /// The result of a function or a class, with its arguments.
    Call(Place, Place),
    /// A storage, with the object that stands for it in the pickle.
    Persistent(Place),
}

/// The objects of a pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    pub(super) root: Place,
}

impl<'a> Pickle<'a> {
    /// The objects of a pickle's bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut machine = Machine {
            rest: bytes,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        while machine.step()? {}
        let root = machine.pop()?;
        Ok(Pickle {
            objects: machine.objects,
            root,
        })
    }

    pub(super) fn at(&self, place: Place) -> &Object<'a> {
        &self.objects[place]
    }

    pub(super) fn text(&self, place: Place) -> Option<&'a str> {
        match self.at(place) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn size(&self, place: Place) -> Option<usize> {
        match self.at(place) {
            Object::Integer(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    pub(super) fn sequence(&self, place: Place) -> Option<&[Place]> {
        match self.at(place) {
            Object::Sequence(places) => Some(places),
            // torch.Size((2, 3)).
            Object::Call(function, arguments) => match (self.at(*function), self.at(*arguments)) {
                (Object::Global("torch", "Size"), Object::Sequence(places)) => match places[..] {
                    [place] => match self.at(place) {
                        Object::Sequence(places) => Some(places),
                        _ => None,
                    },
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }
}

/// A pickle in the middle of its reading.
struct Machine<'a> {
    rest: &'a [u8],
    objects: Vec<Object<'a>>,
    stack: Vec<Place>,
    marks: Vec<usize>,
    memo: HashMap<u64, Place>,
}

impl<'a> Machine<'a> {
    /// Follows one opcode. Returns whether there are more.
    fn step(&mut self) -> Result<bool, String> {
        let opcode = self.take(1)?[0];
        match opcode {
            // PROTO, FRAME.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(false),
            // MARK, POP, POP_MARK, DUP.
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => self.stack.push(self.top()?),
            // NONE, NEWTRUE, NEWFALSE, EMPTY_SET.
            b'N' | 0x88 | 0x89 | 0x8f => self.push(Object::Other),
            // BINFLOAT, BININT, BININT1, BININT2.
            b'G' => self.other(8)?,
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Object::Integer(i64::from(value)));
            }
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            // LONG1, LONG4.
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8; SHORT_BINSTRING, BINSTRING of Python 2.
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8.
            b'B' => self.bytes(4)?,
            b'C' => self.bytes(1)?,
            0x8e | 0x96 => self.bytes(8)?,
            // EMPTY_TUPLE, EMPTY_LIST, TUPLE, LIST, FROZENSET, TUPLE1 to TUPLE3.
            b')' | b']' => self.push(Object::Sequence(Vec::new())),
            b't' | b'l' | 0x91 => {
                let places = self.since_mark()?;
                self.push(Object::Sequence(places));
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                let places = self.stack.split_off(from.ok_or_else(empty)?);
                self.push(Object::Sequence(places));
            }
            // APPEND, APPENDS, ADDITEMS.
            b'a' => {
                let place = self.pop()?;
                self.extend(vec![place])?;
            }
            b'e' | 0x90 => {
                let places = self.since_mark()?;
                self.extend(places)?;
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS.
            b'}' => self.push(Object::Dictionary(Vec::new())),
            b'd' => {
                let places = self.since_mark()?;
                self.push(Object::Dictionary(pairs(&places)?));
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let places = self.since_mark()?;
                self.set(pairs(&places)?)?;
            }
            // GLOBAL, STACK_GLOBAL.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global(module, name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.objects[module], &self.objects[name]) {
                    (&Object::Text(module), &Object::Text(name)) => {
                        self.push(Object::Global(module, name));
                    }
                    _ => return Err("a name in it is not a text".into()),
                }
            }
            // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD.
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(function, arguments);
                self.push(made);
            }
            0x92 => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push(Object::Call(class, arguments));
            }
            // The attributes of an object, which no tensor hangs on.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id));
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET.
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            0x94 => {
                let number = self.memo.len() as u64;
                self.memo.insert(number, self.top()?);
            }
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            other => {
                return Err(format!(
                    "its opcode {other:#04x} is not one that PyTorch writes"
                ));
            }
        }
        Ok(true)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it is cut short")?;
        self.rest = rest;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or("it is cut short")?)?;
        self.take(1)?;
        utf8(line)
    }

    /// A number of at most 8 bytes, the lowest first.
    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        let bytes = self.take(bytes)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn length(&mut self, bytes: usize) -> Result<usize, String> {
        usize::try_from(self.number(bytes)?).map_err(|e| e.to_string())
    }

    fn push(&mut self, object: Object<'a>) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Place, String> {
        // What lies below a mark is not to be reached before the mark is gone.
        let bottom = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > bottom {
            true => self.stack.pop().ok_or_else(empty),
            false => Err(empty()),
        }
    }

    fn top(&self) -> Result<Place, String> {
        self.stack.last().copied().ok_or_else(empty)
    }

    fn since_mark(&mut self) -> Result<Vec<Place>, String> {
        let mark = self.marks.pop().ok_or_else(empty)?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err(empty()),
        }
    }

    fn other(&mut self, bytes: usize) -> Result<(), String> {
        self.take(bytes)?;
        self.push(Object::Other);
        Ok(())
    }

    fn integer(&mut self, bytes: usize) -> Result<(), String> {
        let value = self.number(bytes)?;
        self.push(Object::Integer(value as i64));
        Ok(())
    }

    /// An integer of any length, with a sign; one beyond 64 bits is no size of anything.
    fn long(&mut self, bytes: usize) -> Result<(), String> {
        let length = self.length(bytes)?;
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let start: i64 = if negative { -1 } else { 0 };
        let value = (bytes.iter().rev()).fold(start, |value, &byte| value << 8 | i64::from(byte));
        self.push(match length <= 8 {
            true => Object::Integer(value),
            false => Object::Other,
        });
        Ok(())
    }

    fn text(&mut self, bytes: usize) -> Result<(), String> {
        let length = self.length(bytes)?;
        let text = utf8(self.take(length)?)?;
        self.push(Object::Text(text));
        Ok(())
    }

    fn bytes(&mut self, bytes: usize) -> Result<(), String> {
        let length = self.length(bytes)?;
        self.other(length)
    }

    fn extend(&mut self, places: Vec<Place>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.objects[top] {
            Object::Sequence(list) => list.extend(places),
            Object::Other | Object::Call(..) => {}
            _ => return Err("it appends to something that is not a list".into()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<(Place, Place)>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.objects[top] {
            Object::Dictionary(all) => all.extend(pairs),
            Object::Other | Object::Call(..) => {}
            _ => return Err("it sets items of something that is not a dictionary".into()),
        }
        Ok(())
    }

    /// The result of a call: ordered dictionaries are dictionaries, everything else is kept as it is.
    fn call(&self, function: Place, arguments: Place) -> Object<'a> {
        match self.objects[function] {
            Object::Global("collections", "OrderedDict" | "defaultdict") => {
                Object::Dictionary(Vec::new())
            }
            _ => Object::Call(function, arguments),
        }
    }

    fn put(&mut self, bytes: usize) -> Result<(), String> {
        let number = self.number(bytes)?;
        self.memo.insert(number, self.top()?);
        Ok(())
    }

    fn get(&mut self, bytes: usize) -> Result<(), String> {
        let number = self.number(bytes)?;
        let place = self.memo.get(&number).copied();
        self.stack
            .push(place.ok_or("it refers to what is not there")?);
        Ok(())
    }
}

fn empty() -> String {
    "it takes what is not there".into()
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a text in it is not UTF-8".into())
}

fn pairs(places: &[Place]) -> Result<Vec<(Place, Place)>, String> {
    match places.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err("it has a key without a value".into()),
    }
}
