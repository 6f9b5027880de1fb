//! Python's modes: `r`, `w`, `a`, `x`, with `+` and `b`.

use std::fs::OpenOptions;
use std::io;

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
}

impl Mode {
    pub(super) const CLOSED: Self = Self {
        read: false,
        write: false,
        append: false,
        truncate: false,
        create: false,
        create_new: false,
    };

    /// Reads `"r"`, `"w+"`, `"ab"` and the like.
    pub(super) fn parse(mode: &str) -> io::Result<Self> {
        let mut parsed = Self::CLOSED;
        let (mut kinds, mut plus, mut binary) = (0, 0, 0);
        for letter in mode.chars() {
            match letter {
                'r' => parsed.read = true,
                'w' => (parsed.write, parsed.create, parsed.truncate) = (true, true, true),
                'a' => (parsed.write, parsed.create, parsed.append) = (true, true, true),
                'x' => (parsed.write, parsed.create_new) = (true, true),
                '+' => plus += 1,
                'b' => binary += 1,
                _ => return Err(invalid(mode)),
            }
            kinds += u32::from(matches!(letter, 'r' | 'w' | 'a' | 'x'));
        }
        if kinds != 1 || plus > 1 || binary > 1 {
            return Err(invalid(mode));
        }
        parsed.read |= plus == 1;
        parsed.write |= plus == 1;
        Ok(parsed)
    }

    pub(super) fn options(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(self.read).write(self.write && !self.append).append(self.append);
        options.truncate(self.truncate).create(self.create).create_new(self.create_new);
        options
    }

    pub(super) fn with(mut self, set: impl FnOnce(&mut Self)) -> Self {
        set(&mut self);
        self
    }

    pub(super) fn set_truncate(&mut self, on: bool) {
        self.truncate = on;
    }

    pub(super) fn set_create(&mut self, on: bool) {
        self.create = on;
    }

    pub(super) fn set_create_new(&mut self, on: bool) {
        self.create_new = on;
    }

    /// As Python writes it.
    pub(super) fn name(self) -> &'static str {
        match (self.read, self.write, self.append, self.create_new, self.truncate) {
            (true, true, true, ..) => "ab+",
            (true, true, _, true, _) => "xb+",
            (true, true, _, _, true) => "wb+",
            (true, true, ..) => "rb+",
            (_, true, true, ..) => "ab",
            (_, true, _, true, _) => "xb",
            (_, true, ..) => "wb",
            _ => "rb",
        }
    }
}

fn invalid(mode: &str) -> io::Error {
    let message = format!(
        "invalid mode {mode:?}: it has one of r, w, a, x, and may have + and b (open_text for text)"
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::Mode;

    #[test]
    fn modes_are_pythons() {
        for (mode, name) in [
            ("r", "rb"),
            ("rb", "rb"),
            ("r+", "rb+"),
            ("w", "wb"),
            ("wb+", "wb+"),
            ("a", "ab"),
            ("a+b", "ab+"),
            ("x", "xb"),
            ("x+", "xb+"),
        ] {
            assert_eq!(Mode::parse(mode).unwrap().name(), name, "{mode}");
        }
        for bad in ["", "rw", "b", "+", "r++", "rt", "rbb", "q"] {
            let error = Mode::parse(bad).unwrap_err();
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
    }
}
