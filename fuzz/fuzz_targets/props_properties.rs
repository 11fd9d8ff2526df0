//! `.properties` files, through the forms that write them again.
#![no_main]

use haechi_props::{Limits, Naming, Placeholders, Request, Tree, forms, overlay, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let tree = Tree::new([("a.properties", bytes.to_vec())], Limits::default());
    let request = Request {
        applications: vec!["a".to_owned()],
        profiles: vec!["dev".to_owned()],
        label: "main",
        search_paths: &[],
        naming: Naming::Native { root: "" },
    };
    let found = resolve(&request, &tree);
    let flat = overlay(&found.sources);
    let placeholders = Placeholders::new(&found.sources);
    let _ = forms::properties(&flat, Some(&placeholders));
    let _ = forms::yaml(&flat, None);
});
