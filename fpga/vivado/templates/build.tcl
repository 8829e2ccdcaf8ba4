# Synthesis, implementation, bitstream. Run with: vivado -mode batch -source build.tcl
# It writes {{ design }}.bit, {{ design }}.hwh, timing.rpt and utilization.rpt into this folder, and fails when timing is not met.

set folder [file dirname [file normalize [info script]]]
cd $folder

create_project -force {{ design }} vivado -part {{ part }}
add_files -norecurse [list [file join $folder {{ module }}.v] [file join $folder {{ top }}.v]]
add_files -fileset constrs_1 -norecurse [file join $folder {{ design }}.xdc]
update_compile_order -fileset sources_1

source [file join $folder block_design.tcl]

set block_design [get_files {{ design }}.bd]
generate_target all $block_design
add_files -norecurse [make_wrapper -files $block_design -top]
set_property top {{ design }}_wrapper [current_fileset]
update_compile_order -fileset sources_1

launch_runs synth_1 -jobs 2
wait_on_run synth_1
if {[get_property PROGRESS [get_runs synth_1]] ne "100%"} {
    error "synthesis failed: see vivado/{{ design }}.runs/synth_1/runme.log"
}

launch_runs impl_1 -to_step write_bitstream -jobs 2
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
    error "implementation failed: see vivado/{{ design }}.runs/impl_1/runme.log"
}

open_run impl_1
report_timing_summary -file timing.rpt
report_utilization -hierarchical -file utilization.rpt
foreach {kind what} {max setup min hold} {
    set slack($what) [get_property SLACK [get_timing_paths -delay_type $kind]]
    if {$slack($what) < 0} {
        error "$what time is missed by [expr {-$slack($what)}] ns at {{ "%g" | format(mhz) }} MHz: see timing.rpt, and lower the frequency"
    }
}

file copy -force vivado/{{ design }}.runs/impl_1/{{ design }}_wrapper.bit {{ design }}.bit
# Vivado 2020.1 and earlier keep what it generates in .srcs, later ones in .gen.
set handoff [glob -nocomplain -directory vivado */sources_1/bd/{{ design }}/hw_handoff/{{ design }}.hwh]
if {[llength $handoff] == 0} {
    error "Vivado wrote no {{ design }}.hwh, which pynq needs beside the bitstream"
}
file copy -force [lindex $handoff 0] {{ design }}.hwh
puts "{{ design }}.bit and {{ design }}.hwh are in $folder; slack $slack(setup) ns at {{ "%g" | format(mhz) }} MHz"
