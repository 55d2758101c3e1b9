//! What only a store on a disk has to do.

mod damage;
mod files;
mod kept;
mod retention;
mod rig;
mod trouble;
