mod drawn;
mod map;
mod pieces;
mod process;
mod scenes;
mod space;
