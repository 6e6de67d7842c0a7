"""Names that the weights of a model cannot have, since PyTorch's modules or Python take them.

A weight is called `conv1.weight` everywhere, and in PyTorch that makes `conv1` an attribute
of an `nn.Module`. The members of that class are listed here, so that no torch is needed to
know them; a test compares the list with the class.
"""

from __future__ import annotations

import re
from keyword import iskeyword

_MEMBERS = """
T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule
half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters
parameters register_backward_hook register_buffer register_forward_hook
register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu zero_grad
_apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl _forward_hooks
_forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks
_forward_pre_hooks_with_kwargs _get_backward_hooks _get_backward_pre_hooks _get_name
_is_full_backward_hook _load_from_state_dict _load_state_dict_post_hooks
_load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules _named_members
_non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook
_register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict _slow_forward
_state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl
"""
MODULE_MEMBERS: frozenset[str] = frozenset(_MEMBERS.split())
"""The members of `nn.Module`, of any version."""

_ARCHIVE = ("allow_pickle", "file")
"""What `numpy.savez`, with which training programs save weights, keeps for itself."""

_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def usable_path(name: str) -> bool:
    """Whether a node may be called that: an ASCII identifier that nothing else has taken."""
    return (
        _PATH.fullmatch(name) is not None
        and not iskeyword(name)
        and not name.startswith("__")
        and name not in MODULE_MEMBERS
        and name not in _ARCHIVE
    )


def path_for(name: str) -> str:
    """The path for a name that a spec gives: the name, with `_` behind it where it is taken."""
    return name if usable_path(name) else name.lstrip("_") + "_"
