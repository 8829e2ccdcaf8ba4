# The block design: processing system, accelerator, and the interconnects between them.
# Made by `dovetail fpga build {{ board.name }}`; sourced by build.tcl.

create_bd_design {{ design }}

set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 ps]
set_property -dict [list \
{% for name, value in processing_system.items() %}
    CONFIG.{{ name }} { {{- value -}} } \
{% endfor %}
] $ps

create_bd_cell -type module -reference {{ module }} {{ accelerator }}

set reset [create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset]

# To the DDR memory: {{ config.bus_bits }} bits of AXI4 become {{ port_bits }} bits of AXI3, with bursts of at most 16 beats.
set memory [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 memory]
set_property -dict [list CONFIG.NUM_SI {1} CONFIG.NUM_MI {1} CONFIG.NUM_CLKS {1}] $memory

# To the register block: AXI3 becomes AXI4-Lite.
set registers [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 registers]
set_property -dict [list CONFIG.NUM_SI {1} CONFIG.NUM_MI {1} CONFIG.NUM_CLKS {1}] $registers

create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddrx_rtl:1.0 DDR
create_bd_intf_port -mode Master -vlnv xilinx.com:display_processing_system7:fixedio_rtl:1.0 FIXED_IO
connect_bd_intf_net [get_bd_intf_ports DDR] [get_bd_intf_pins ps/DDR]
connect_bd_intf_net [get_bd_intf_ports FIXED_IO] [get_bd_intf_pins ps/FIXED_IO]

connect_bd_intf_net [get_bd_intf_pins {{ accelerator }}/m_axi] [get_bd_intf_pins memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins memory/M00_AXI] [get_bd_intf_pins ps/S_AXI_HP0]
connect_bd_intf_net [get_bd_intf_pins ps/M_AXI_GP0] [get_bd_intf_pins registers/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins registers/M00_AXI] [get_bd_intf_pins {{ accelerator }}/s_axi]

connect_bd_net [get_bd_pins ps/FCLK_CLK0] \
    [get_bd_pins ps/S_AXI_HP0_ACLK] \
    [get_bd_pins ps/M_AXI_GP0_ACLK] \
    [get_bd_pins reset/slowest_sync_clk] \
    [get_bd_pins memory/aclk] \
    [get_bd_pins registers/aclk] \
    [get_bd_pins {{ accelerator }}/aclk]
connect_bd_net [get_bd_pins ps/FCLK_RESET0_N] [get_bd_pins reset/ext_reset_in]
connect_bd_net [get_bd_pins reset/peripheral_aresetn] \
    [get_bd_pins memory/aresetn] \
    [get_bd_pins registers/aresetn] \
    [get_bd_pins {{ accelerator }}/aresetn]
connect_bd_net [get_bd_pins {{ accelerator }}/irq] [get_bd_pins ps/IRQ_F2P]

assign_bd_address -target_address_space [get_bd_addr_spaces ps/Data] \
    -offset {{ "0x%08X" | format(register_address) }} -range {{ "0x%08X" | format(register_range) }} [get_bd_addr_segs {{ accelerator }}/s_axi/reg0]
assign_bd_address -target_address_space [get_bd_addr_spaces {{ accelerator }}/m_axi] \
    -offset 0x00000000 -range {{ "0x%08X" | format(board.memory_bytes) }} [get_bd_addr_segs ps/S_AXI_HP0/HP0_DDR_LOWOCM]

validate_bd_design
save_bd_design
